import { internalError } from '@orrery/errors';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import { parseServiceAccountUser, serviceAccountGroups } from '../identity/claims.ts';
import { forbiddenAction } from '../pipeline/access.ts';
import type { Authorizer, Impersonator, RequestInfo, UserInfo } from '../pipeline/index.ts';

const extraPrefix = 'impersonate-extra-';

interface Wanted {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** A header that may be repeated; Node joins repeated ones by commas. */
function values(headers: HttpHeaders, name: string): string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return typeof value === 'string' ? value.split(/,\s*/).filter((one) => one !== '') : [...value];
}

function wantedUser(headers: HttpHeaders): Wanted | undefined {
  const one = (name: string): string => {
    const value = headers[name];
    return (typeof value === 'string' ? value : value?.[0]) ?? '';
  };
  const extra = Object.fromEntries(
    Object.keys(headers)
      .filter((name) => name.startsWith(extraPrefix) && headers[name] !== undefined)
      .map((name) => [decodeURIComponent(name.slice(extraPrefix.length)), values(headers, name)]),
  );
  const wanted = { username: one('impersonate-user'), uid: one('impersonate-uid'), groups: values(headers, 'impersonate-group'), extra };
  if (wanted.username) return wanted;
  if (wanted.uid || wanted.groups.length || Object.keys(extra).length) throw internalError(new Error('requested impersonation of groups, uid or extra without impersonating a user'));
  return undefined;
}

function question(resource: string, of: { name: string; namespace?: string; group?: string; subresource?: string }): RequestInfo {
  const { name, namespace = '', group = '', subresource = '' } = of;
  return { isResource: true, path: '', verb: 'impersonate', group, version: 'v1', resource, subresource, namespace, name };
}

/** Every single thing that is taken over needs the permission to impersonate it. */
function questions(wanted: Wanted): RequestInfo[] {
  const account = parseServiceAccountUser(wanted.username);
  return [
    account ? question('serviceaccounts', account) : question('users', { name: wanted.username }),
    ...wanted.groups.map((name) => question('groups', { name })),
    ...Object.entries(wanted.extra).flatMap(([key, list]) => list.map((name) => question('userextras', { name, group: 'authentication.k8s.io', subresource: key }))),
    ...(wanted.uid ? [question('uids', { name: wanted.uid, group: 'authentication.k8s.io' })] : []),
  ];
}

function groupsOf(wanted: Wanted): string[] {
  const account = parseServiceAccountUser(wanted.username);
  const groups = wanted.groups.length || !account ? [...wanted.groups] : serviceAccountGroups(account.namespace);
  if (wanted.username === 'system:anonymous') return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated'];
  return groups.includes('system:authenticated') || groups.includes('system:unauthenticated') ? groups : [...groups, 'system:authenticated'];
}

/** Lets those who may act as somebody else, by the Impersonate-* headers. */
export function impersonation(authorize: Authorizer['authorize']): Impersonator {
  return {
    async impersonate({ user, headers }): Promise<UserInfo> {
      const wanted = wantedUser(headers);
      if (!wanted) return user;
      for (const info of questions(wanted)) {
        const { decision, reason } = await authorize({ user, info });
        if (decision !== 'allow') throw forbiddenAction(user, info, reason);
      }
      return {
        username: wanted.username,
        ...(wanted.uid ? { uid: wanted.uid } : {}),
        groups: groupsOf(wanted),
        ...(Object.keys(wanted.extra).length ? { extra: wanted.extra } : {}),
      };
    },
  };
}
