import { ConfigMaps } from '@orrery/api';
import type { ApiClient, ReviewedAccess } from '@orrery/client';
import type { HttpHeaders, HttpRequest } from '@orrery/node-io/http-server';

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

/** In SubjectAccessReview's words. */
export function accessOf(attributes: Attributes): ReviewedAccess {
  const { verb } = attributes;
  return 'path' in attributes ? { nonResourceAttributes: { verb, path: attributes.path } } : { resourceAttributes: { group: 'metrics.k8s.io', version: 'v1beta1', ...attributes } };
}
