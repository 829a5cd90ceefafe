import { ConfigMaps, SubjectAccessReviews } from '@orrery/api';
import type { SubjectAccessReview } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import type { HttpHeaders, HttpRequest } from '@orrery/node-io/http-server';
import type { Clock } from '@orrery/runtime';

export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Whose word is taken for who asks: what the API server publishes for extension servers. */
export interface Trust {
  /** PEM. */
  readonly ca: string;
  /** Common names of proxies; empty: all that the CA signed. */
  readonly names: readonly string[];
  readonly userHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

const trustMap = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

const list = (text: string | undefined, otherwise: readonly string[]): readonly string[] => (text ? (JSON.parse(text) as string[]) : otherwise).map((name) => name.toLowerCase());

/** Reads the ConfigMap kube-system/extension-apiserver-authentication. */
export async function readTrust(api: ApiClient): Promise<Trust> {
  const { data = {} } = await api.get(ConfigMaps, trustMap);
  return {
    ca: data['requestheader-client-ca-file'] ?? '',
    names: data['requestheader-allowed-names'] ? (JSON.parse(data['requestheader-allowed-names']) as string[]) : [],
    userHeaders: list(data['requestheader-username-headers'], ['x-remote-user']),
    uidHeaders: list(data['requestheader-uid-headers'], ['x-remote-uid']),
    groupHeaders: list(data['requestheader-group-headers'], ['x-remote-group']),
    extraPrefixes: list(data['requestheader-extra-headers-prefix'], ['x-remote-extra-']),
  };
}

const valuesOf = (headers: HttpHeaders, name: string): readonly string[] => [headers[name] ?? []].flat();

/** Who a proxy says asks; undefined for those who are no proxy. */
export function remoteUser({ certificate, headers }: Pick<HttpRequest, 'certificate' | 'headers'>, trust: Trust): User | undefined {
  if (!certificate || (trust.names.length > 0 && !trust.names.includes(certificate.commonName))) return undefined;
  const first = (names: readonly string[]): string => names.flatMap((name) => valuesOf(headers, name))[0] ?? '';
  const name = first(trust.userHeaders);
  if (!name) return undefined;
  const extra: Record<string, readonly string[]> = {};
  for (const header of Object.keys(headers)) {
    const prefix = trust.extraPrefixes.find((one) => header.startsWith(one));
    if (prefix) extra[decodeURIComponent(header.slice(prefix.length))] = valuesOf(headers, header);
  }
  return { name, uid: first(trust.uidHeaders), groups: trust.groupHeaders.flatMap((one) => valuesOf(headers, one)), extra };
}

/** What is asked for, as RBAC sees it. */
export type Attributes = { readonly verb: string; readonly path: string } | { readonly verb: string; readonly resource: string; readonly namespace: string; readonly name: string };

const verdictMs = 10_000;
const maxKnown = 1_000;

/** Asks the API server whether a user may, and remembers the answer for ten seconds as upstream does. */
export class Reviewer {
  private readonly api: ApiClient;
  private readonly clock: Clock;
  private readonly known = new Map<string, { readonly allowed: boolean; readonly untilMs: number }>();

  constructor(api: ApiClient, clock: Clock) {
    this.api = api;
    this.clock = clock;
  }

  async allows(user: User, attributes: Attributes): Promise<boolean> {
    const key = JSON.stringify([user, attributes]);
    const before = this.known.get(key);
    if (before && this.clock.monotonic() < before.untilMs) return before.allowed;
    const { verb } = attributes;
    const what = 'path' in attributes ? { nonResourceAttributes: { verb, path: attributes.path } } : { resourceAttributes: { group: 'metrics.k8s.io', version: 'v1beta1', ...attributes } };
    const extra = Object.fromEntries(Object.entries(user.extra).map(([name, values]) => [name, [...values]]));
    const spec = { user: user.name, groups: [...user.groups], ...(user.uid ? { uid: user.uid } : {}), extra, ...what };
    const review: SubjectAccessReview = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec };
    const { status } = await this.api.create(SubjectAccessReviews, review);
    const allowed = status?.allowed === true;
    this.known.set(key, { allowed, untilMs: this.clock.monotonic() + verdictMs });
    if (this.known.size > maxKnown) this.known.delete(this.known.keys().next().value as string);
    return allowed;
  }
}
