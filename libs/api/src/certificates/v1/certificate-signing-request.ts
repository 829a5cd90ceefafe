import type { FieldError } from '@orrery/errors';
import type { CertificateSigningRequest } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { humanDuration } from '../../printing/duration.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';

const usages = [
  'signing', 'digital signature', 'content commitment', 'key encipherment', 'key agreement', 'data encipherment', 'cert sign', 'crl sign', 'encipher only', 'decipher only', 'any',
  'server auth', 'client auth', 'code signing', 'email protection', 's/mime', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'timestamping', 'ocsp signing', 'microsoft sgc', 'netscape sgc',
].sort();

const hasCondition = ({ status }: CertificateSigningRequest, type: string): boolean => (status?.conditions ?? []).some((condition) => condition.type === type);

function checkSigner(signer: string | undefined, at: FieldPath): void {
  if (!signer) return at.required();
  const parts = signer.split('/');
  const [domain = '', path = ''] = parts;
  if (parts.length !== 2) at.invalid(signer, 'must be a fully qualified domain and path of the form \'example.com/signer-name\'');
  else {
    at.matches(domain, dns1123Subdomain);
    if (domain.split('.').length < 2) at.invalid(domain, 'should be a domain with at least two segments separated by dots');
    if (path === '') at.invalid(signer, 'must be a fully qualified domain and path of the form \'example.com/signer-name\'');
  }
}

function checkRequest({ spec }: CertificateSigningRequest, at: FieldPath): void {
  const pem = Buffer.from(spec?.request ?? '', 'base64').toString();
  if (!/^-----BEGIN (NEW )?CERTIFICATE REQUEST-----$/m.test(pem)) at.child('request').invalid(spec?.request ?? '', 'PEM block type must be CERTIFICATE REQUEST');
  const given = spec?.usages ?? [];
  if (given.length === 0) at.child('usages').required();
  for (const [i, usage] of given.entries()) {
    if (!usages.includes(usage)) at.child('usages').at(i).notSupported(usage, usages);
    if (given.indexOf(usage) < i) at.child('usages').at(i).duplicate(usage);
  }
  checkSigner(spec?.signerName, at.child('signerName'));
  const seconds = spec?.expirationSeconds;
  if (seconds !== undefined && seconds < 600) at.child('expirationSeconds').invalid(seconds, 'may not specify a duration less than 600 seconds (10 minutes)');
}

function checkConditions(request: CertificateSigningRequest, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, { type, status }] of (request.status?.conditions ?? []).entries()) {
    const path = at.at(i);
    if (!type) path.child('type').required();
    if (seen.has(type)) path.child('type').duplicate(type);
    seen.add(type);
    if (['Approved', 'Denied', 'Failed'].includes(type)) path.child('status').requiredOneOf(status, ['True']);
    else path.child('status').requiredOneOf(status, ['False', 'True', 'Unknown']);
  }
  if (seen.has('Approved') && seen.has('Denied')) at.invalid('Denied', 'Approved and Denied conditions are mutually exclusive');
}

/** Verdicts are final: none may go, and only /approval may pass them. */
function checkVerdicts(request: CertificateSigningRequest, { old, root, mayJudge }: { old: CertificateSigningRequest; root: FieldPath; mayJudge: boolean }): void {
  const at = root.child('status').child('conditions');
  checkConditions(request, at);
  for (const type of ['Approved', 'Denied', 'Failed']) {
    const before = hasCondition(old, type);
    const now = hasCondition(request, type);
    if (before && !now) at.forbidden(`updates may not remove a condition of type "${type}"`);
    if (!before && now && !mayJudge && type !== 'Failed') at.forbidden(`updates may not add a condition of type "${type}"`);
  }
}

function validateStatusUpdate(request: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  return findProblems((root) => {
    checkVerdicts(request, { old, root, mayJudge: false });
    const certificate = { value: request.status?.certificate, old: old.status?.certificate };
    const at = root.child('status').child('certificate');
    if (certificate.old && !semanticEqual(certificate.value, certificate.old)) at.forbidden('updates may not modify certificate content');
    if (!certificate.value) return;
    const pem = Buffer.from(certificate.value, 'base64').toString();
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) at.invalid('<certificate data>', 'must contain at least one CERTIFICATE PEM block');
  });
}

function state(request: CertificateSigningRequest): string {
  const verdict = hasCondition(request, 'Approved') ? 'Approved' : hasCondition(request, 'Denied') ? 'Denied' : 'Pending';
  return `${verdict}${hasCondition(request, 'Failed') ? ',Failed' : ''}${request.status?.certificate ? ',Issued' : ''}`;
}

function touchConditions(request: CertificateSigningRequest, old: CertificateSigningRequest, nowMs: number): void {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  for (const condition of request.status?.conditions ?? []) {
    const before = (old.status?.conditions ?? []).find(({ type }) => type === condition.type);
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??= before && before.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  }
}

export const certificateSigningRequestKind = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  resource: 'certificatesigningrequests',
  namespaced: false,
  shortNames: ['csr'],
  hasStatus: true,
  createOnUpdate: true,
  subresources: [
    {
      name: 'approval',
      kind: 'CertificateSigningRequest',
      verbs: ['get', 'patch', 'update'],
      prepareForUpdate: (request, old, { nowMs }) => {
        if (old.spec) request.spec = old.spec;
        const { certificate: _, ...status } = request.status ?? {};
        request.status = old.status?.certificate ? { ...status, certificate: old.status.certificate } : status;
        touchConditions(request, old, nowMs);
      },
      validateUpdate: (request, old) => findProblems((root) => checkVerdicts(request, { old, root, mayJudge: true })),
    },
  ],
  // The spec is what was asked for; it never changes.
  onUpdate: (request, old) => {
    if (old.spec) request.spec = old.spec;
  },
  onStatusUpdate: (request, old, { nowMs }) => touchConditions(request, old, nowMs),
  validate: (request) => findProblems((root) => checkRequest(request, root.child('spec'))),
  validateUpdate: (request, old) => findProblems((root) => checkImmutable({ value: request.spec, old: old.spec }, root.child('spec'))),
  validateStatusUpdate,
  selectableFields: ['spec.signerName'],
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  columns: [
    nameColumn,
    ageColumn,
    text('SignerName', ({ spec }) => spec?.signerName || '<none>'),
    text('Requestor', ({ spec }) => spec?.username ?? ''),
    text('RequestedDuration', ({ spec }) => (spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000))),
    text('Condition', state),
  ],
});
