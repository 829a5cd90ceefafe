import { TokenReviews } from '@orrery/api';
import type { TokenReview } from '@orrery/api/types';
import { AccessReviewer, type ApiClient } from '@orrery/client';
import type { HttpRequest } from '@orrery/node-io';
import type { Env } from '@orrery/runtime';

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

/** What a request of the kubelet's API is about, for authorization. */
export interface AccessAttributes {
  readonly user: User;
  readonly verb: string;
  /** Subresources of `nodes`, the most specific first; one that is allowed is enough. */
  readonly subresources: readonly string[];
  readonly nodeName: string;
}

const tokenMs = 120_000;
const allowedMs = 300_000;
const deniedMs = 30_000;
const maxCached = 1_000;

/** Who asks, and may they: by client certificate or TokenReview, and SubjectAccessReview. */
export class KubeletAccess {
  private readonly env: Env;
  private readonly api: ApiClient;
  private readonly users = new Map<string, { readonly user: User | undefined; readonly untilMs: number }>();
  private readonly reviewer: AccessReviewer;

  constructor(env: Env, options: { api: ApiClient }) {
    this.env = env;
    this.api = options.api;
    this.reviewer = new AccessReviewer({ api: options.api, clock: env.clock, allowedMs, deniedMs });
  }

  /** The user, or undefined when the request shows nothing valid. */
  async authenticate(request: Pick<HttpRequest, 'certificate' | 'headers'>): Promise<User | undefined> {
    const { certificate, headers } = request;
    if (certificate) return { name: certificate.commonName, groups: [...certificate.organizations, 'system:authenticated'] };
    const [, token] = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? '')) ?? [];
    return token ? this.remembered(token, () => this.reviewToken(token)) : undefined;
  }

  async authorize(attributes: AccessAttributes): Promise<boolean> {
    if (attributes.user.groups.includes('system:masters')) return true;
    const { user, verb, nodeName: name } = attributes;
    for (const subresource of attributes.subresources) {
      if (await this.reviewer.allows(user, { resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name } })) return true;
    }
    return false;
  }

  private async remembered(token: string, find: () => Promise<User | undefined>): Promise<User | undefined> {
    const nowMs = this.env.clock.monotonic();
    const known = this.users.get(token);
    if (known && nowMs < known.untilMs) return known.user;
    const user = await find();
    this.users.set(token, { user, untilMs: nowMs + tokenMs });
    if (this.users.size > maxCached) this.users.delete(this.users.keys().next().value as string);
    return user;
  }

  private async reviewToken(token: string): Promise<User | undefined> {
    const review: TokenReview = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
    const { status } = await this.api.create(TokenReviews, review);
    const { username = '', groups = [], uid } = status?.user ?? {};
    return status?.authenticated ? { name: username, groups, ...(uid ? { uid } : {}) } : undefined;
  }
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Verb and subresources that upstream checks for a path. */
export function accessOf(method: string, path: string): Pick<AccessAttributes, 'verb' | 'subresources'> {
  const verb = verbs[method] ?? 'get';
  const under = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
  if (under('/stats')) return { verb, subresources: ['stats'] };
  if (under('/metrics')) return { verb, subresources: ['metrics'] };
  if (under('/logs')) return { verb, subresources: ['log'] };
  if (under('/checkpoint')) return { verb, subresources: ['checkpoint'] };
  if (under('/statusz')) return { verb, subresources: ['statusz'] };
  // Who may see the configuration may see the flags.
  if (under('/flagz')) return { verb, subresources: ['configz'] };
  if (under('/pods') || under('/runningpods')) return { verb, subresources: ['pods', 'proxy'] };
  if (under('/healthz')) return { verb, subresources: ['healthz', 'proxy'] };
  if (under('/configz')) return { verb, subresources: ['configz', 'proxy'] };
  return { verb, subresources: ['proxy'] };
}
