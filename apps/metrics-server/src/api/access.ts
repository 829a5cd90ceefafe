import { AccessReviewer, type ApiClient, type ReviewedAccess } from '@orrery/client';
import { RequestGuard, type Trust, lookUpTrust, noTrust } from '@orrery/node-io/secure-serving';
import type { Env } from '@orrery/runtime';

/** Front proxies as the API server publishes them; clients of other kinds are not known here. */
export async function readTrust(api: ApiClient): Promise<Trust> {
  return { ...(await lookUpTrust(api, noTrust)), clientCa: '' };
}

/** Answers about access are remembered as long as upstream does. */
const verdictMs = 10_000;

/** Whom a front proxy speaks for, and may they. */
export function proxyGuard({ clock, log }: Env, { api, trust }: { api: ApiClient; trust: () => Trust }): RequestGuard {
  return new RequestGuard({ clock, log, accesses: new AccessReviewer({ api, clock, allowedMs: verdictMs, deniedMs: verdictMs }), trust, anonymous: false });
}

/** What is asked for, as RBAC sees it. */
export type Attributes = { readonly verb: string; readonly path: string } | { readonly verb: string; readonly resource: string; readonly namespace: string; readonly name: string };

/** In SubjectAccessReview's words. */
export function accessOf(attributes: Attributes): ReviewedAccess {
  const { verb } = attributes;
  return 'path' in attributes ? { nonResourceAttributes: { verb, path: attributes.path } } : { resourceAttributes: { group: 'metrics.k8s.io', version: 'v1beta1', ...attributes } };
}
