import { dns1123Subdomain } from '@orrery/apimachinery';
import { parseServiceAccountUser } from '../identity/claims.ts';
import type { RequestInfo, UserInfo } from '../pipeline/index.ts';

/** Whom a request wants to act as, as its headers say. */
export interface Wanted {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** One question to the authorizers on the way to acting as somebody else. */
export interface Question {
  readonly user: UserInfo;
  readonly info: RequestInfo;
}

/**
 * One way to be allowed to. The constrained ones (KEP 5284) take two permissions: to take over the identity
 * (`impersonate:MODE`), and to do with it what the request does (`impersonate-on:MODE:VERB`).
 */
export interface ImpersonationMode {
  /** Undefined: not for this identity. */
  questions(wanted: Wanted, request: Question): readonly Question[] | undefined;
  /** Groups that come with the identity when the request names none. */
  groups(wanted: Wanted): readonly string[];
}

const authenticationGroup = 'authentication.k8s.io';
const nodePrefix = 'system:node:';
const nodeNameKey = 'authentication.kubernetes.io/node-name';

export function nodeNameOf(username: string): string | undefined {
  if (!username.startsWith(nodePrefix)) return undefined;
  const name = username.slice(nodePrefix.length);
  return dns1123Subdomain(name).length ? undefined : name;
}

const onlyName = ({ uid, groups, extra }: Wanted): boolean => !uid && !groups.length && !Object.keys(extra).length;
const accountGroups = (username: string): readonly string[] => {
  const account = parseServiceAccountUser(username);
  return account ? ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`] : [];
};

interface Asked {
  readonly resource: string;
  readonly name: string;
  readonly namespace?: string;
  readonly subresource?: string;
}

function infoOf(verb: string, group: string, { resource, name, namespace = '', subresource = '' }: Asked): RequestInfo {
  return { isResource: true, path: '', verb, group, version: 'v1', resource, subresource, namespace, name };
}

/** Uid, groups and extra: one question each. `group` is the API group of the resource `groups`. */
function partsOf(wanted: Wanted, verb: string, group: string): RequestInfo[] {
  return [
    ...(wanted.uid ? [infoOf(verb, authenticationGroup, { resource: 'uids', name: wanted.uid })] : []),
    ...wanted.groups.map((name) => infoOf(verb, group, { resource: 'groups', name })),
    ...Object.entries(wanted.extra).flatMap(([subresource, values]) => values.map((name) => infoOf(verb, authenticationGroup, { resource: 'userextras', name, subresource }))),
  ];
}

/** As it has been since the beginning: one permission for an identity, whatever is done with it. */
const legacy: ImpersonationMode = {
  questions(wanted, { user }) {
    const account = parseServiceAccountUser(wanted.username);
    const who = account ? infoOf('impersonate', '', { resource: 'serviceaccounts', ...account }) : infoOf('impersonate', '', { resource: 'users', name: wanted.username });
    return [who, ...partsOf(wanted, 'impersonate', '')].map((info) => ({ user, info }));
  },
  groups: ({ username }) => accountGroups(username),
};

interface Constraint {
  readonly mode: string;
  readonly applies: (wanted: Wanted, requester: UserInfo) => boolean;
  readonly target: (wanted: Wanted) => Asked;
  readonly groups: (wanted: Wanted) => readonly string[];
  /** How the requester is shown to the authorizers. */
  readonly requester?: (user: UserInfo) => UserInfo;
}

function constrained({ mode, applies, target, groups, requester = (user) => user }: Constraint): ImpersonationMode {
  const verb = `impersonate:${mode}`;
  return {
    questions(wanted, request) {
      if (!applies(wanted, request.user)) return undefined;
      const user = requester(request.user);
      const action = { ...request.info, verb: `impersonate-on:${mode}:${request.info.verb}` };
      return [action, infoOf(verb, authenticationGroup, target(wanted)), ...partsOf(wanted, verb, authenticationGroup)].map((info) => ({ user, info }));
    },
    groups,
  };
}

const nodesGroup = (): readonly string[] => ['system:nodes'];

/** A service account may act as the node that its pod is on. Which node that is must not matter to the authorizers. */
const associatedNode = constrained({
  mode: 'associated-node',
  applies: (wanted, requester) => {
    const node = nodeNameOf(wanted.username);
    const [own, ...more] = requester.extra?.[nodeNameKey] ?? [];
    return node !== undefined && onlyName(wanted) && parseServiceAccountUser(requester.username) !== undefined && own === node && !more.length;
  },
  target: () => ({ resource: 'nodes', name: '*' }),
  groups: nodesGroup,
  requester: (user) => ({ ...user, extra: { 'authentication.kubernetes.io/associated-node-keys': Object.keys(user.extra ?? {}).sort() } }),
});

const arbitraryNode = constrained({
  mode: 'arbitrary-node',
  applies: (wanted) => onlyName(wanted) && nodeNameOf(wanted.username) !== undefined,
  target: ({ username }) => ({ resource: 'nodes', name: nodeNameOf(username) ?? '' }),
  groups: nodesGroup,
});

const serviceAccount = constrained({
  mode: 'serviceaccount',
  applies: (wanted) => onlyName(wanted) && parseServiceAccountUser(wanted.username) !== undefined,
  target: ({ username }) => ({ resource: 'serviceaccounts', ...(parseServiceAccountUser(username) ?? { name: '' }) }),
  groups: ({ username }) => accountGroups(username),
});

/** Everybody without a form of name that Kubernetes knows; never the group that may do everything. */
const userInfo = constrained({
  mode: 'user-info',
  applies: (wanted) =>
    nodeNameOf(wanted.username) === undefined &&
    parseServiceAccountUser(wanted.username) === undefined &&
    !wanted.groups.includes('system:masters') &&
    !wanted.groups.includes('') &&
    Object.entries(wanted.extra).every(([key, values]) => /^[^/]+\/./.test(key) && values.length > 0 && !values.includes('')),
  target: ({ username }) => ({ resource: 'users', name: username }),
  groups: () => [],
});

/** In the order they are tried; the last one is that of old. */
export const impersonationModes: readonly ImpersonationMode[] = [associatedNode, arbitraryNode, serviceAccount, userInfo, legacy];
