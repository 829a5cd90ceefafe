import type { CertificateSigningRequest } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { humanDuration } from '../../printing/duration.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkNewRequest, checkVerdictUpdate } from './certificate-signing-request-validation.ts';

const hasCondition = ({ status }: CertificateSigningRequest, type: string): boolean => (status?.conditions ?? []).some((condition) => condition.type === type);

function state(request: CertificateSigningRequest): string {
  const verdict = hasCondition(request, 'Approved') ? 'Approved' : hasCondition(request, 'Denied') ? 'Denied' : 'Pending';
  return `${verdict}${hasCondition(request, 'Failed') ? ',Failed' : ''}${request.status?.certificate ? ',Issued' : ''}`;
}

function touchConditions(request: CertificateSigningRequest, old: CertificateSigningRequest, nowMs: number): void {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  for (const condition of request.status?.conditions ?? []) {
    const before = (old.status?.conditions ?? []).find(({ type, status }) => type === condition.type && status === condition.status);
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??= before?.lastTransitionTime ?? now;
  }
}

/** A verdict that is there already is kept as it is, whoever writes the status. */
function keepVerdicts(request: CertificateSigningRequest, old: CertificateSigningRequest): void {
  for (const type of ['Approved', 'Denied']) {
    const before = (old.status?.conditions ?? []).filter((condition) => condition.type === type);
    const now = (request.status?.conditions ?? []).filter((condition) => condition.type === type);
    if (before.length !== now.length) continue;
    const rest = (request.status?.conditions ?? []).filter((condition) => condition.type !== type);
    if (before.length) request.status = { ...request.status, conditions: [...before, ...rest] };
  }
}

export const certificateSigningRequestKind = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  resource: 'certificatesigningrequests',
  namespaced: false,
  nameRule: 'pathSegment',
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
        // Of the status only the conditions are judged here.
        request.status = { ...old.status, ...(request.status?.conditions ? { conditions: request.status.conditions } : { conditions: [] }) };
        touchConditions(request, old, nowMs);
      },
      validateUpdate: (request, old) => checkVerdictUpdate(request, old, 'approval'),
    },
  ],
  // The spec is what was asked for; it never changes.
  onUpdate: (request, old) => {
    if (old.spec) request.spec = old.spec;
  },
  onStatusUpdate: (request, old, { nowMs }) => {
    touchConditions(request, old, nowMs);
    keepVerdicts(request, old);
  },
  validate: (request) => findProblems((root) => checkNewRequest(request, root)),
  validateUpdate: () => [],
  validateStatusUpdate: (request, old) => checkVerdictUpdate(request, old, 'status'),
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
