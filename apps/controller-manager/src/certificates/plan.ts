import type { CertificateSigningRequest, CertificateSigningRequestSpec } from '@orrery/api/types';
import type { CsrSubject } from './signer.ts';

const clientKubelet = 'kubernetes.io/kube-apiserver-client-kubelet';
const kubeletServing = 'kubernetes.io/kubelet-serving';
const client = 'kubernetes.io/kube-apiserver-client';
const legacy = 'kubernetes.io/legacy-unknown';

/** Of a kubelet, which may leave out what only RSA keys need. */
const clientUsages = ['client auth', 'digital signature', 'key encipherment'];
const servingUsages = ['digital signature', 'key encipherment', 'server auth'];
const onlyRsa = 'key encipherment';
const optionalClientUsages = new Set(['digital signature', onlyRsa]);

export function hasCondition(request: CertificateSigningRequest, type: string): boolean {
  return request.status?.conditions?.some((condition) => condition.type === type) ?? false;
}

const has = (names: readonly string[], what: string): string | undefined => (names.length ? `${what} subjectAltNames are not allowed` : undefined);

function subjectProblem(subject: CsrSubject): string | undefined {
  if (subject.organizations.length !== 1 || subject.organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes';
  return subject.commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node: ';
}

function usagesProblem(usages: readonly string[], wanted: readonly string[]): string | undefined {
  const given = new Set(usages);
  const exact = wanted.every((usage) => given.has(usage) || usage === onlyRsa) && usages.every((usage) => wanted.includes(usage));
  return exact ? undefined : `usages did not match [${wanted.join(' ')}]`;
}

function clientUsagesProblem(usages: readonly string[]): string | undefined {
  const other = usages.find((usage) => usage !== 'client auth' && !optionalClientUsages.has(usage));
  if (other !== undefined) return `invalid usage for client certificate: ${other}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

function servingNamesProblem({ dnsNames, emailAddresses, ipAddresses, uris }: CsrSubject): string | undefined {
  if (!dnsNames.length && !ipAddresses.length) return 'DNS or IP subjectAltName is required';
  return has(emailAddresses, 'Email') ?? has(uris, 'URI');
}

/** Why the signer of that name must refuse, in upstream's words; undefined when it may sign, or false when it is not one of ours. */
export function refusal(spec: CertificateSigningRequestSpec, subject: CsrSubject): string | undefined | false {
  const usages = spec.usages ?? [];
  switch (spec.signerName) {
    case clientKubelet:
      return subjectProblem(subject) ?? has(subject.dnsNames, 'DNS') ?? has(subject.emailAddresses, 'Email') ?? has(subject.ipAddresses, 'IP') ?? has(subject.uris, 'URI') ?? usagesProblem(usages, clientUsages);
    case kubeletServing:
      return subjectProblem(subject) ?? servingNamesProblem(subject) ?? usagesProblem(usages, servingUsages);
    case client:
      return clientUsagesProblem(usages);
    case legacy:
      return undefined;
    default:
      return false;
  }
}

/** Whether a request is a kubelet asking for its own client certificate, and which permission lets it be approved unseen. */
export function kubeletApproval(request: CertificateSigningRequest, subject: CsrSubject): { subresource: string; message: string } | undefined {
  if (request.spec?.signerName !== clientKubelet || refusal(request.spec, subject) !== undefined) return undefined;
  const self = request.spec.username === subject.commonName;
  return self
    ? { subresource: 'selfnodeclient', message: 'Auto approving self kubelet client certificate after SubjectAccessReview.' }
    : { subresource: 'nodeclient', message: 'Auto approving kubelet client certificate after SubjectAccessReview.' };
}

const hourMs = 3_600_000;
/** Clocks differ: certificates are valid from a little before now. */
const backdateMs = 5 * 60_000;
/** The least that is given to whoever asks for less. */
const shortestMs = 10 * 60_000;
/** Shorter certificates do not lose the time before now. */
const shortMs = 8 * hourMs;

/** From when until when a certificate is valid: as long as asked for, within bounds, all in all. */
export function validity(expirationSeconds: number | undefined, { longestMs, nowMs }: { readonly longestMs: number; readonly nowMs: number }): { notBeforeMs: number; notAfterMs: number } {
  const lifetimeMs = expirationSeconds === undefined ? longestMs : Math.min(longestMs, Math.max(shortestMs, expirationSeconds * 1000));
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: nowMs + lifetimeMs - (lifetimeMs < shortMs ? 0 : backdateMs) };
}

/** Milliseconds until an old request is to be deleted; upstream keeps issued and refused ones an hour, the others a day. */
export function expiresInMs(request: CertificateSigningRequest, nowMs: number): number {
  const newest = (type: string): number | undefined => {
    const times = (request.status?.conditions ?? []).filter((c) => c.type === type).map((c) => Date.parse(c.lastUpdateTime ?? request.metadata?.creationTimestamp ?? ''));
    return times.length ? Math.max(...times) : undefined;
  };
  const createdMs = Date.parse(request.metadata?.creationTimestamp ?? '');
  const settled = (request.status?.certificate ? newest('Approved') : undefined) ?? newest('Denied') ?? newest('Failed');
  return Math.max(0, (settled === undefined ? createdMs + 24 * hourMs : settled + hourMs) - nowMs);
}
