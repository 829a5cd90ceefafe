import { unauthorized } from '@orrery/errors';
import type { HttpHeaders, PeerCertificate } from '@orrery/node-io/http-server';
import { verifyCertificate } from '@orrery/node-io/pki';
import type { ApiServerConfig } from '../config.ts';
import type { Authenticator, Credentials, PluginFactory, UserInfo } from '../pipeline/index.ts';

type Settings = Pick<ApiServerConfig, 'clientCa' | 'requestheaderClientCaFile' | 'requestheaderAllowedNames' | 'requestheaderUsernameHeaders' | 'requestheaderUidHeaders' | 'requestheaderGroupHeaders' | 'requestheaderExtraHeadersPrefix'>;

type Roles = Pick<Credentials, 'certificate' | 'proxyCertificate'>;

/**
 * What a certificate that the connection accepted is good for: client certificates and those of front proxies have authorities
 * of their own, and one of the one kind proves nothing of the other.
 */
export function certificateRoles(settings: Pick<Settings, 'clientCa' | 'requestheaderClientCaFile'>, now: () => number): (certificate: PeerCertificate) => Roles {
  const { clientCa, requestheaderClientCaFile: proxyCa } = settings;
  if (!proxyCa) return (certificate) => ({ certificate });
  const known = new WeakMap<PeerCertificate, Roles>();
  return (certificate) => {
    let roles = known.get(certificate);
    if (!roles) {
      const isBy = (caBundle: string): boolean => caBundle !== '' && verifyCertificate(Buffer.from(certificate.raw), { caBundle, nowMs: now(), usage: 'client auth' }) === undefined;
      known.set(certificate, (roles = { ...(isBy(clientCa) ? { certificate } : {}), ...(isBy(proxyCa) ? { proxyCertificate: certificate } : {}) }));
    }
    return roles;
  };
}

/** Header values are bytes; names of users and groups are UTF-8. */
const textOf = (value: string): string => Buffer.from(value, 'latin1').toString('utf8');

/** All values of the named headers, in order. Node joins repeated lines by commas unless it was told that they list identities. */
function valuesOf(headers: HttpHeaders, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const value = headers[name];
    const all = value === undefined ? [] : typeof value === 'string' ? value.split(', ') : value;
    return all.filter((one) => one !== '').map(textOf);
  });
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function extraOf(headers: HttpHeaders, prefixes: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const prefix of prefixes) {
    for (const name of Object.keys(headers)) if (name.startsWith(prefix)) (extra[unescapeKey(name.slice(prefix.length))] ??= []).push(...valuesOf(headers, [name]));
  }
  return extra;
}

const authenticated = 'system:authenticated';

function withAuthenticated(username: string, groups: readonly string[]): readonly string[] {
  if (username === 'system:anonymous' || groups.includes(authenticated) || groups.includes('system:unauthenticated')) return groups;
  return [...groups, authenticated];
}

/**
 * Front proxies, such as another API server's aggregator, that say in headers who asks (`--requestheader-*`). Believed only over a
 * connection with a certificate of the front proxies' authority, and by its name if names are given. Empty without an authority.
 */
export function requestHeaders(settings: Settings): Authenticator[] {
  if (!settings.requestheaderClientCaFile) return [];
  const lower = (names: readonly string[]): string[] => names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
  const allowed = settings.requestheaderAllowedNames;
  const [names, uids, groups, prefixes] = [settings.requestheaderUsernameHeaders, settings.requestheaderUidHeaders, settings.requestheaderGroupHeaders, settings.requestheaderExtraHeadersPrefix].map(lower) as [string[], string[], string[], string[]];

  const userOf = (headers: HttpHeaders): UserInfo | undefined => {
    const [username] = valuesOf(headers, names);
    if (username === undefined) return undefined;
    const [uid] = valuesOf(headers, uids);
    const extra = extraOf(headers, prefixes);
    return { username, ...(uid ? { uid } : {}), groups: withAuthenticated(username, valuesOf(headers, groups)), ...(Object.keys(extra).length ? { extra } : {}) };
  };
  return [
    {
      name: 'RequestHeader',
      authenticate({ headers, certificate, proxyCertificate }) {
        if (!proxyCertificate) return undefined;
        const user = allowed.length === 0 || allowed.includes(proxyCertificate.commonName) ? userOf(headers) : undefined;
        // Nothing else to go by: a certificate that is no client's is wrong, not absent.
        if (!user && !certificate && headers['authorization'] === undefined) throw unauthorized();
        return user;
      },
    },
  ];
}

/** Goes before all that look at other credentials. */
export const frontProxyPlugin: PluginFactory = ({ config }) => ({ authenticators: requestHeaders(config) });
