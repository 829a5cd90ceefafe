import { type StatusError, badRequest } from '@orrery/errors';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import { forbiddenAction } from '../pipeline/access.ts';
import type { Authorizer, Impersonator, UserInfo } from '../pipeline/index.ts';
import { type ImpersonationMode, type Question, type Wanted, impersonationModes } from './impersonation-modes.ts';

const extraPrefix = 'impersonate-extra-';
const maxRemembered = 1000;

/** The lines of a header. In HTTP each comes by itself; metadata of gRPC has one value, a list by commas. */
function values(headers: HttpHeaders, name: string): readonly string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return typeof value === 'string' ? value.split(/,\s*/) : value;
}

function first(headers: HttpHeaders, name: string): string {
  const value = headers[name];
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}

/** Keys are percent-encoded, as header names take little; what is no encoding stays as it is. */
function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function goStrings(list: readonly string[]): string {
  return list.length ? `[]string{${list.map((one) => JSON.stringify(one)).join(', ')}}` : '[]string(nil)';
}

/** As Go prints the identity in upstream's message. */
function goUser({ username, uid, groups, extra }: Wanted): string {
  const entries = Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1));
  const map = entries.length ? `map[string][]string{${entries.map(([key, list]) => `${JSON.stringify(key)}:${goStrings(list)}`).join(', ')}}` : 'map[string][]string(nil)';
  return `&user.DefaultInfo{Name:${JSON.stringify(username)}, UID:${JSON.stringify(uid)}, Groups:${goStrings(groups)}, Extra:${map}}`;
}

/** Undefined when the request does not ask for it. Throws 400 for groups, uid or extra of nobody. */
function wantedUser(headers: HttpHeaders): Wanted | undefined {
  const extra: Record<string, string[]> = {};
  for (const name in headers) {
    if (!name.startsWith(extraPrefix) || headers[name] === undefined) continue;
    const key = unescapeKey(name.slice(extraPrefix.length));
    extra[key] = [...(extra[key] ?? []), ...values(headers, name)];
  }
  const wanted = { username: first(headers, 'impersonate-user'), uid: first(headers, 'impersonate-uid'), groups: values(headers, 'impersonate-group'), extra };
  if (wanted.username) return wanted;
  if (wanted.uid || wanted.groups.length || Object.keys(extra).length) throw badRequest(`requested ${goUser(wanted)} without impersonating a user name`);
  return undefined;
}

function groupsOf(wanted: Wanted, mode: ImpersonationMode): string[] {
  const groups = wanted.groups.length ? [...wanted.groups] : [...mode.groups(wanted)];
  if (wanted.username === 'system:anonymous') return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated'];
  return groups.includes('system:authenticated') || groups.includes('system:unauthenticated') ? groups : [...groups, 'system:authenticated'];
}

/** What the first refused question is refused with; undefined when all are allowed. */
async function refusal(authorize: Authorizer['authorize'], questions: readonly Question[]): Promise<StatusError | undefined> {
  for (const question of questions) {
    const { decision, reason } = await authorize(question);
    if (decision !== 'allow') return forbiddenAction(question.user, question.info, reason);
  }
  return undefined;
}

/**
 * Lets those who may act as somebody else, by the Impersonate-* headers. The mode that let a user last is tried first. A
 * refusal is told in the words of the mode of old, which everybody knows.
 */
export function impersonation(authorize: Authorizer['authorize']): Impersonator {
  const lastModes = new Map<string, ImpersonationMode>();
  const remember = (username: string, mode: ImpersonationMode): void => {
    if (lastModes.size >= maxRemembered) lastModes.clear();
    lastModes.set(username, mode);
  };
  return {
    async impersonate({ user, headers, info }): Promise<UserInfo> {
      const wanted = wantedUser(headers);
      if (!wanted) return user;
      const last = lastModes.get(user.username);
      let refused: StatusError | undefined;
      for (const mode of last ? [last, ...impersonationModes.filter((one) => one !== last)] : impersonationModes) {
        const questions = mode.questions(wanted, { user, info });
        if (!questions) continue;
        const why = await refusal(authorize, questions);
        if (!why) {
          if (mode !== last) remember(user.username, mode);
          const { username, uid, extra } = wanted;
          return { username, ...(uid ? { uid } : {}), groups: groupsOf(wanted, mode), ...(Object.keys(extra).length ? { extra } : {}) };
        }
        if (mode === impersonationModes.at(-1)) refused = why;
      }
      // The mode of old takes every identity, so it has refused.
      throw refused as StatusError;
    },
  };
}
