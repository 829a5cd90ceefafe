import type { CertificateSigningRequest, CertificateSigningRequestSpec } from '@orrery/api/types';
import type { CsrSubject } from './signer.ts';

const clientKubelet = 'kubernetes.io/kube-apiserver-client-kubelet';
const kubeletServing = 'kubernetes.io/kubelet-serving';
const client = 'kubernetes.io/kube-apiserver-client';
const legacy = 'kubernetes.io/legacy-unknown';

const clientUsages = new Set(['digital signature', 'key encipherment', 'client auth']);
const servingUsages = new Set(['digital signature', 'key encipherment', 'server auth']);

export function hasCondition(request: CertificateSigningRequest, type: string): boolean {
  return request.status?.conditions?.some((condition) => condition.type === type) ?? false;
}

function isNode(subject: CsrSubject): boolean {
  return subject.organizations.length === 1 && subject.organizations[0] === 'system:nodes' && subject.commonName.startsWith('system:node:');
}

/** Why the signer of that name must refuse; undefined when it may sign, or false when it is not one of ours. */
export function refusal(spec: CertificateSigningRequestSpec, subject: CsrSubject): string | undefined | false {
  const usages = spec.usages ?? [];
  switch (spec.signerName) {
    case clientKubelet:
      if (!isNode(subject)) return 'subject organization is not system:nodes or subject common name does not begin with system:node: ';
      if (subject.dnsNames.length || subject.ipAddresses.length || subject.emailAddresses.length || subject.uris.length) return 'subjectAltNames are not allowed';
      return usages.every((usage) => clientUsages.has(usage)) && usages.includes('client auth') ? undefined : 'usages did not match';
    case kubeletServing:
      if (!isNode(subject)) return 'subject organization is not system:nodes or subject common name does not begin with system:node: ';
      if (!subject.dnsNames.length && !subject.ipAddresses.length) return 'DNS or IP subjectAltName is required';
      if (subject.emailAddresses.length || subject.uris.length) return 'Email and URI subjectAltNames are not allowed';
      return usages.every((usage) => servingUsages.has(usage)) && usages.includes('server auth') ? undefined : 'usages did not match';
    case client:
      return usages.includes('client auth') ? undefined : 'usages did not match';
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
