import type { AuthDefinition } from '@orrery/proto/etcd';

type Methods = AuthDefinition['methods'];
type MessageOf<T extends { decode(input: Uint8Array): unknown }> = ReturnType<T['decode']>;

/** Every call of the Auth service is an entry of the log, reads included: they answer what all members agree on. */
export type AuthKind = keyof Methods;

/**
 * The entry of a call is its request, but for secrets: passwords are replaced by their hashes (`hashedPassword`), and
 * `authenticate`, whose password was checked before it was proposed, carries the new token in its place.
 */
export type AuthEntry = { readonly [K in AuthKind]: { readonly kind: K; readonly request: MessageOf<Methods[K]['requestType']> } }[AuthKind];

/** What applying the entry of a call answers. */
export type AuthResults = { readonly [K in AuthKind]: MessageOf<Methods[K]['responseType']> };

/** The order is the number in the log: only ever append. */
export const authKinds = [
  'authEnable',
  'authDisable',
  'authStatus',
  'authenticate',
  'userAdd',
  'userGet',
  'userList',
  'userDelete',
  'userChangePassword',
  'userGrantRole',
  'userRevokeRole',
  'roleAdd',
  'roleGet',
  'roleList',
  'roleDelete',
  'roleGrantPermission',
  'roleRevokePermission',
] as const satisfies readonly AuthKind[];

/** On whose behalf a request is made, and the revision of users and roles at which that was established. */
export interface Caller {
  readonly user: string;
  readonly revision: number;
}
