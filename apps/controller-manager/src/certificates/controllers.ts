import { CertificateSigningRequests, SubjectAccessReviews } from '@orrery/api';
import type { CertificateSigningRequest, SubjectAccessReview } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { expiresInMs, hasCondition, kubeletApproval, refusal, validity } from './plan.ts';
import type { CertificateSigner } from './signer.ts';

const pemOf = (request: CertificateSigningRequest): string => Buffer.from(request.spec?.request ?? '', 'base64').toString('utf8');

function withCondition(request: CertificateSigningRequest, condition: { type: string; reason: string; message: string }, nowMs: number): CertificateSigningRequest {
  const at = rfc3339(nowMs);
  const conditions = [...(request.status?.conditions ?? []), { ...condition, status: 'True', lastUpdateTime: at, lastTransitionTime: at }];
  return { ...request, status: { ...request.status, conditions } };
}

async function mayRequest(context: ControllerContext, request: CertificateSigningRequest, subresource: string): Promise<boolean> {
  const { username = '', uid, groups, extra } = request.spec ?? {};
  const review: SubjectAccessReview = {
    spec: {
      user: username,
      ...(uid ? { uid } : {}),
      ...(groups ? { groups } : {}),
      ...(extra ? { extra } : {}),
      resourceAttributes: { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', verb: 'create', subresource, version: '*' },
    },
  };
  return (await context.api.create(SubjectAccessReviews, review)).status?.allowed === true;
}

/** Approves requests of kubelets for client certificates, if RBAC lets them have one. */
export function csrApprovingController(signer: CertificateSigner): AnyController {
  return defineController<CertificateSigningRequest>({
    name: 'certificatesigningrequest-approving-controller',
    account: 'certificate-controller',
    for: CertificateSigningRequests,
    async reconcile(key, context) {
      const request = context.store(CertificateSigningRequests).get(key);
      if (!request || request.status?.certificate || hasCondition(request, 'Approved') || hasCondition(request, 'Denied')) return;
      const approval = kubeletApproval(request, signer.inspect(pemOf(request)));
      if (!approval || !(await mayRequest(context, request, approval.subresource))) return;
      const approved = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message: approval.message }, context.env.clock.now());
      await context.api.update(CertificateSigningRequests, approved, { subresource: 'approval' });
    },
  });
}

/** Signs approved requests of the signers that the cluster's CA stands for. */
export function csrSigningController(signer: CertificateSigner, { longestMs }: { readonly longestMs: number }): AnyController {
  return defineController<CertificateSigningRequest>({
    name: 'certificatesigningrequest-signing-controller',
    account: 'certificate-controller',
    for: CertificateSigningRequests,
    async reconcile(key, context) {
      const request = context.store(CertificateSigningRequests).get(key);
      if (!request?.spec || request.status?.certificate || !hasCondition(request, 'Approved') || hasCondition(request, 'Denied') || hasCondition(request, 'Failed')) return;
      const pem = pemOf(request);
      const why = refusal(request.spec, signer.inspect(pem));
      if (why === false) return;
      const nowMs = context.env.clock.now();
      let next: CertificateSigningRequest;
      if (why !== undefined) {
        next = withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message: why }, nowMs);
      } else {
        const certificate = signer.sign(pem, { usages: request.spec.usages ?? [], ...validity(request.spec.expirationSeconds, { longestMs, nowMs }) });
        next = { ...request, status: { ...request.status, certificate: Buffer.from(certificate).toString('base64') } };
      }
      await context.api.update(CertificateSigningRequests, next, { subresource: 'status' });
    },
  });
}

/** Deletes requests that have been dealt with, or never will be. */
export const csrCleanerController = defineController<CertificateSigningRequest>({
  name: 'certificatesigningrequest-cleaner-controller',
  account: 'certificate-controller',
  for: CertificateSigningRequests,
  async reconcile(key, { api, env, store }) {
    const request = store(CertificateSigningRequests).get(key);
    if (!request) return undefined;
    const waitMs = expiresInMs(request, env.clock.now());
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    await api.delete(CertificateSigningRequests, { name: key }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    return undefined;
  },
});
