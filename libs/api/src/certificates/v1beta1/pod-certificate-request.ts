import type { CertificatesV1beta1PodCertificateRequest as PodCertificateRequest } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { checkPodCertificateRequest, checkPodCertificateRequestStatus, checkPodCertificateRequestUpdate } from './pod-certificate-request-validation.ts';

function state({ status }: PodCertificateRequest): string {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  return ['Issued', 'Denied', 'Failed'].find((type) => types.includes(type)) ?? 'Pending';
}

export const podCertificateRequestKind = defineKind<PodCertificateRequest>({
  group: 'certificates.k8s.io',
  version: 'v1beta1',
  kind: 'PodCertificateRequest',
  resource: 'podcertificaterequests',
  namespaced: true,
  hasStatus: true,
  defaults: ({ spec }) => {
    if (spec) spec.maxExpirationSeconds ??= 86_400;
  },
  validate: checkPodCertificateRequest,
  validateUpdate: checkPodCertificateRequestUpdate,
  validateStatusUpdate: checkPodCertificateRequestStatus,
  selectableFields: ['spec.signerName', 'spec.podName', 'spec.nodeName'],
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '', 'spec.podName': spec?.podName ?? '', 'spec.nodeName': spec?.nodeName ?? '' }),
  columns: [
    nameColumn,
    text('PodName', ({ spec }) => spec?.podName ?? ''),
    text('ServiceAccountName', ({ spec }) => spec?.serviceAccountName ?? ''),
    text('NodeName', ({ spec }) => spec?.nodeName ?? ''),
    text('SignerName', ({ spec }) => spec?.signerName ?? ''),
    text('State', state),
    ageColumn,
  ],
});
