import type { FieldError } from '@orrery/errors';
import { describe, expect, it } from 'vitest';
import { pemBlocks } from './pem.ts';
import { certificateSigningRequestKind as csrKind } from './v1/certificate-signing-request.ts';
import { clusterTrustBundleKind as bundleKind } from './v1beta1/cluster-trust-bundle.ts';
import { podCertificateRequestKind as podKind } from './v1beta1/pod-certificate-request.ts';

const ca = `-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIQJ6tDhFNiC6lUqasAeHwtyDAKBggqhkjOPQQDAjANMQsw
CQYDVQQDDAJjYTAgFw03MDAxMDEwMDAwMDBaGA8yMDk2MTAwMjA3MDY0MFowDTEL
MAkGA1UEAwwCY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS+yi5uJyl0mbKa
QUQ69j70V6bMYnheaQzXMMWeaSkvYO57JMK+eA2ov5T+PKuDEitk3deGffYXmMUU
Qtlafk50o2MwYTAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAdBgNV
HQ4EFgQU5E1meWV06c1qx7jL7UnSQuFE9EcwHwYDVR0jBBgwFoAU5E1meWV06c1q
x7jL7UnSQuFE9EcwCgYIKoZIzj0EAwIDSAAwRQIhAItw8d2SMdnjlp3Or6iwnLIG
PCI9d0ektuJxVrVq5yMrAiBVy/+AMPx4VQjHMWPhbbiaR3bL8w4K5lzPidN1oLl9
VQ==
-----END CERTIFICATE-----
`;
const leaf = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIQG806FHOfQ4fp+7Tt9FMuwzAKBggqhkjOPQQDAjANMQsw
CQYDVQQDDAJjYTAgFw03MDAxMDEwMDAwMDBaGA8yMDk2MTAwMjA3MDY0MFowDzEN
MAsGA1UEAwwEbGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL7KLm4nKXSZ
sppBRDr2PvRXpsxieF5pDNcwxZ5pKS9g7nskwr54Dai/lP48q4MSK2Td14Z99heY
xRRC2Vp+TnSjZTBjMAwGA1UdEwEB/wQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwIw
HQYDVR0OBBYEFORNZnlldOnNase4y+1J0kLhRPRHMB8GA1UdIwQYMBaAFORNZnll
dOnNase4y+1J0kLhRPRHMAoGCCqGSM49BAMCA0gAMEUCIQC25krl7IAfXfUUBNDK
/72iIpV0X4gpvrm1tSnwxWJEtwIgGXoeyl8cnfVbKQIweN6vLIwh41f5ZhHGHfZj
Jh6VG1c=
-----END CERTIFICATE-----
`;
const csr = `-----BEGIN CERTIFICATE REQUEST-----
MIHJMHECAQAwDzENMAsGA1UEAwwEamFuZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABL7KLm4nKXSZsppBRDr2PvRXpsxieF5pDNcwxZ5pKS9g7nskwr54Dai/lP48
q4MSK2Td14Z99heYxRRC2Vp+TnSgADAKBggqhkjOPQQDAgNIADBFAiEAw01EmSF1
oQIXtdCppPd1mPAKvHP+nxO87kFoo9sKigQCIHhNZmf3t0Ox92jTFk2rT6gnv7la
4ucJ0/QerjXNEbge
-----END CERTIFICATE REQUEST-----
`;

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const lines = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);
const withHeaders = ca.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\nProc-Type: 4\n');

describe('PEM', () => {
  it('reads blocks in order and skips what is none', () => {
    expect(pemBlocks(`x\n${ca}y\n${leaf}`).map(({ type, hasHeaders }) => [type, hasHeaders])).toEqual([['CERTIFICATE', false], ['CERTIFICATE', false]]);
    expect(pemBlocks(withHeaders)[0]).toMatchObject({ hasHeaders: true });
    expect(pemBlocks('-----BEGIN A-----\n!!\n-----END A-----\n')).toEqual([]);
    expect(pemBlocks('-----BEGIN A-----\nAAAA\n-----END B-----\n')).toEqual([]);
    expect(pemBlocks(ca.replaceAll('\n', '\r\n'))).toHaveLength(1);
  });
  it('takes time in proportion to the text', () => {
    const started = performance.now();
    for (const part of ['-----BEGIN A-----\n', '-----BEGIN ', '-----END A-----\n', '-----BEGIN A-----\n-----END B-----\n']) expect(pemBlocks(part.repeat(60_000))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('CertificateSigningRequest', () => {
  const spec = { request: base64(csr), usages: ['client auth'], signerName: 'example.com/signer' };
  it.each<[object, string[]]>([
    [{}, []],
    [{ request: base64(ca) }, [`spec.request: Invalid value: "${base64(ca)}": PEM block type must be CERTIFICATE REQUEST`]],
    [{ usages: [] }, ['spec.usages: Required value']],
    [{ usages: ['client auth', 'client auth'] }, ['spec.usages[1]: Duplicate value: "client auth"']],
    [{ signerName: '' }, ['spec.signerName: Required value']],
    [{ signerName: 'kubernetes.io/legacy-unknown' }, ['spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version']],
    [{ signerName: 'a/b/c' }, [`spec.signerName: Invalid value: "a/b/c": must be a fully qualified domain and path of the form 'example.com/signer-name'`]],
    [{ signerName: 'example/x' }, ['spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots']],
    [{ expirationSeconds: 599 }, ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)']],
  ])('%j', (change, problems) => expect(lines(csrKind.validate({ spec: { ...spec, ...change } }))).toEqual(problems));
  it('names the unknown usage and all known ones', () => expect(lines(csrKind.validate({ spec: { ...spec, usages: ['x'] } }))[0]).toMatch(/^spec\.usages\[0\]: Unsupported value: "x": supported values: "any", "cert sign"/));
  it('says which part of the signer is no label', () => expect(lines(csrKind.validate({ spec: { ...spec, signerName: 'Example.com/x' } }))[0]).toMatch(/^spec\.signerName: Invalid value: "Example\.com": validating label "Example": a lowercase RFC 1123 label/));

  const judged = (...types: string[]) => ({ spec, status: { conditions: types.map((type) => ({ type, status: 'True' })) } });
  const approval = csrKind.subresources.find(({ name }) => name === 'approval');
  const at = 'status.conditions';
  it('is judged through /approval only, and for good', () => {
    expect(lines(approval?.validateUpdate?.(judged('Approved'), judged()) ?? [])).toEqual([]);
    expect(lines(csrKind.validateStatusUpdate(judged('Approved'), judged()))).toEqual([`${at}: Forbidden: updates may not add a condition of type "Approved"`]);
    expect(lines(approval?.validateUpdate?.(judged(), judged('Denied')) ?? [])).toEqual([`${at}: Forbidden: updates may not remove a condition of type "Denied"`]);
    expect(lines(approval?.validateUpdate?.(judged('Approved', 'Denied'), judged('Approved')) ?? [])).toEqual([`${at}[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`]);
    expect(lines(approval?.validateUpdate?.({ spec, status: { conditions: [{ type: 'Approved', status: 'False' }, { type: '', status: 'Maybe' }] } }, judged()) ?? [])).toEqual([
      `${at}[0].status: Unsupported value: "False": supported values: "True"`,
      `${at}[1].type: Required value`,
      `${at}[1].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
    ]);
  });
  it('is given a certificate through /status, once', () => {
    const issued = (text: string) => ({ spec, status: { certificate: base64(text) } });
    const where = 'status.certificate: ';
    expect(lines(csrKind.validateStatusUpdate(issued(leaf), { spec }))).toEqual([]);
    expect(lines(csrKind.validateStatusUpdate(issued('x'), { spec }))).toEqual([`${where}Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block`]);
    expect(lines(csrKind.validateStatusUpdate(issued(csr), { spec }))).toEqual([`${where}Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"`]);
    expect(lines(csrKind.validateStatusUpdate(issued(withHeaders), { spec }))).toEqual([`${where}Invalid value: "<certificate data>": no PEM block headers are permitted`]);
    expect(lines(csrKind.validateStatusUpdate(issued('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'), { spec }))).toEqual([`${where}Invalid value: "<certificate data>": x509: malformed certificate`]);
    expect(lines(csrKind.validateStatusUpdate(issued(leaf + ca), issued(leaf)))).toEqual([`${where}Forbidden: updates may not modify existing certificate content`]);
  });
});

describe('ClusterTrustBundle', () => {
  const bundle = (name: string, spec: { signerName?: string; trustBundle: string }) => lines(bundleKind.validate({ metadata: { name }, spec }));
  it.each<[string, { signerName?: string; trustBundle: string }, string[]]>([
    ['foo', { trustBundle: ca }, []],
    ['example.com:x:foo', { signerName: 'example.com/x', trustBundle: ca }, []],
    ['a:b', { trustBundle: ca }, ['metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name']],
    ['foo', { signerName: 'example.com/x', trustBundle: ca }, ['metadata.name: Invalid value: "foo": ClusterTrustBundle for signerName example.com/x must be named with prefix example.com:x:']],
    ['foo', { trustBundle: '' }, ['spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided']],
    ['foo', { trustBundle: leaf }, ['spec.trustBundle: Invalid value: "<value omitted>": entry 0 does not have the CA bit set']],
    ['foo', { trustBundle: ca + csr }, ['spec.trustBundle: Invalid value: "<value omitted>": entry 1 has bad block type: CERTIFICATE REQUEST']],
    ['foo', { trustBundle: ca + ca }, ['spec.trustBundle: Invalid value: "<value omitted>": duplicate trust anchor (indices [0 1])']],
  ])('%s', (name, spec, problems) => expect(bundle(name, spec)).toEqual(problems));
  it('keeps its signer', () => {
    const of = (signerName: string) => ({ metadata: { name: 'example.com:x:foo' }, spec: { signerName, trustBundle: ca } });
    expect(lines(bundleKind.validateUpdate(of('example.com/y'), of('example.com/x')))).toContain('spec.signerName: Invalid value: "example.com/y": field is immutable');
  });
});

describe('PodCertificateRequest', () => {
  const spec = { signerName: 'example.com/x', podName: 'p', podUID: 'u', serviceAccountName: 's', serviceAccountUID: 'v', nodeName: 'n', nodeUID: 'w', maxExpirationSeconds: 3600, stubPKCS10Request: pemBlocks(csr)[0]?.der.toString('base64') ?? '' };
  it.each<[object, string[]]>([
    [{}, []],
    [{ podUID: '' }, ['spec.podUID: Required value']],
    [{ maxExpirationSeconds: 10 }, ['spec.maxExpirationSeconds: Invalid value: 10: must be in the range [3600, 7862400]']],
    [{ signerName: 'kubernetes.io/kube-apiserver-client-pod', maxExpirationSeconds: 100_000 }, ['spec.maxExpirationSeconds: Invalid value: 100000: must be in the range [3600, 86400]']],
    [{ stubPKCS10Request: base64('x') }, ['spec.stubPKCS10Request: Invalid value: "<non-human-readable>": must be a valid PKCS#10 certificate signing request']],
    [{ stubPKCS10Request: '' }, ['spec.stubPKCS10Request: Required value']],
  ])('%j', (change, problems) => expect(lines(podKind.validate({ spec: { ...spec, ...change } }))).toEqual(problems));
  it('ends once', () => {
    const condition = (type: string) => ({ type, status: 'True', reason: 'r', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' });
    const times = { notBefore: '2026-01-01T00:00:00Z', beginRefreshAt: '2026-01-01T12:00:00Z', notAfter: '2026-01-02T00:00:00Z' };
    const issued = { spec, status: { conditions: [condition('Issued')], certificateChain: leaf, ...times } };
    expect(lines(podKind.validateStatusUpdate(issued, { spec }))).toEqual([]);
    expect(lines(podKind.validateStatusUpdate({ spec, status: { ...issued.status, conditions: [condition('Denied')] } }, { spec }))[0]).toContain('status.certificateChain: Invalid value');
    expect(lines(podKind.validateStatusUpdate({ spec, status: {} }, issued))[0]).toContain('field is immutable');
  });
});
