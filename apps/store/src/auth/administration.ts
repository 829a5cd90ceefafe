import {
  type AuthRoleGrantPermissionRequest,
  type AuthRoleRevokePermissionRequest,
  type AuthUserAddRequest,
  type AuthUserChangePasswordRequest,
  type Permission,
  Permission_Type,
} from '@orrery/proto/etcd';
import { keyOf } from '@orrery/mvcc';
import type { AuthEntry, AuthKind, AuthResults } from './auth-calls.ts';
import { AuthError } from './auth-error.ts';
import { type AuthState, type KeyPermission, type Role, type User, root } from './auth-state.ts';

/** An answer without its header. */
type Bare<K extends AuthKind> = Omit<AuthResults[K], 'header'>;
type RequestOf<K extends AuthKind> = Extract<AuthEntry, { kind: K }>['request'];
type Appliers = { readonly [K in AuthKind]: (state: AuthState, request: RequestOf<K>) => Bare<K> };

function requireUser(state: AuthState, name: string): User {
  const user = state.user(name);
  if (!user) throw new AuthError('userNotFound');
  return user;
}

function requireRole(state: AuthState, name: string): Role {
  const role = state.role(name);
  if (!role) throw new AuthError('roleNotFound');
  return role;
}

/** While authentication is on, `root` stays what it is. */
function keepRoot(state: AuthState, ...names: string[]): void {
  if (state.enabled && names.every((name) => name === root)) throw new AuthError('invalidAuthManagement');
}

function addUser(state: AuthState, { name = '', hashedPassword = '', options }: AuthUserAddRequest): void {
  if (!name) throw new AuthError('userEmpty');
  if (state.user(name)) throw new AuthError('userExists');
  const noPassword = options?.noPassword ?? false;
  state.putUser({ name, noPassword, password: noPassword ? '' : hashedPassword, roles: [] });
}

function changePassword(state: AuthState, { name = '', hashedPassword = '' }: AuthUserChangePasswordRequest): void {
  const user = requireUser(state, name);
  state.putUser({ ...user, password: user.noPassword ? '' : hashedPassword });
}

function grantRole(state: AuthState, userName: string, role: string): void {
  const user = requireUser(state, userName);
  // The root role works without ever having been added.
  if (role !== root) requireRole(state, role);
  if (!user.roles.includes(role)) state.putUser({ ...user, roles: [...user.roles, role].sort() });
}

function revokeRole(state: AuthState, userName: string, role: string): void {
  keepRoot(state, userName, role);
  const user = requireUser(state, userName);
  if (!user.roles.includes(role)) throw new AuthError('roleNotGranted');
  state.putUser({ ...user, roles: user.roles.filter((held) => held !== role) });
}

function addRole(state: AuthState, name: string): void {
  if (!name) throw new AuthError('roleEmpty');
  if (state.role(name)) throw new AuthError('roleExists');
  state.putRole({ name, permissions: [] });
}

function grantPermission(state: AuthState, { name = '', perm }: AuthRoleGrantPermissionRequest): void {
  if (!perm) throw new AuthError('permissionNotGiven');
  const [key, rangeEnd] = [keyOf(perm.key), keyOf(perm.rangeEnd)];
  if (!key || (rangeEnd && rangeEnd !== '\0' && rangeEnd <= key)) throw new AuthError('invalidAuthManagement');
  const role = requireRole(state, name);
  const others = role.permissions.filter((held) => held.key !== key || held.rangeEnd !== rangeEnd);
  const granted: KeyPermission = { type: perm.permType ?? Permission_Type.READ, key, rangeEnd };
  const permissions = [...others, granted].sort((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1));
  state.putRole({ name, permissions });
}

function revokePermission(state: AuthState, request: AuthRoleRevokePermissionRequest): void {
  const role = requireRole(state, request.role ?? '');
  const [key, rangeEnd] = [keyOf(request.key), keyOf(request.rangeEnd)];
  const permissions = role.permissions.filter((held) => held.key !== key || held.rangeEnd !== rangeEnd);
  if (permissions.length === role.permissions.length) throw new AuthError('permissionNotGranted');
  state.putRole({ name: role.name, permissions });
}

function permissionsOf(role: Role): Permission[] {
  const everything = { type: Permission_Type.READWRITE, key: '', rangeEnd: '\0' };
  const held = role.name === root ? [everything] : role.permissions;
  return held.map(({ type, key, rangeEnd }) => ({ permType: type, key: Buffer.from(key, 'latin1'), rangeEnd: Buffer.from(rangeEnd, 'latin1') }));
}

/** Gives an applier that only changes the state its empty answer. */
function quietly<T extends unknown[]>(change: (...args: T) => void): (...args: T) => object {
  return (...args) => {
    change(...args);
    return {};
  };
}

const appliers: Appliers = {
  authEnable: quietly((state) => state.enable()),
  authDisable: quietly((state) => state.disable()),
  authStatus: (state) => ({ enabled: state.enabled, authRevision: state.revision }),
  authenticate: (state, { name = '', password: token = '' }) => {
    if (!state.enabled) throw new AuthError('authNotEnabled');
    const user = state.user(name);
    if (!user || user.noPassword) throw new AuthError('authFailed');
    return { token };
  },
  userAdd: quietly(addUser),
  userGet: (state, { name = '' }) => ({ roles: [...requireUser(state, name).roles] }),
  userList: (state) => ({ users: state.users().map(({ name }) => name) }),
  userDelete: quietly((state, { name = '' }) => {
    keepRoot(state, name);
    state.deleteUser(requireUser(state, name).name);
  }),
  userChangePassword: quietly(changePassword),
  userGrantRole: quietly((state, { user = '', role = '' }) => grantRole(state, user, role)),
  userRevokeRole: quietly((state, { name = '', role = '' }) => revokeRole(state, name, role)),
  roleAdd: quietly((state, { name = '' }) => addRole(state, name)),
  roleGet: (state, { role = '' }) => ({ perm: permissionsOf(requireRole(state, role)) }),
  roleList: (state) => ({ roles: state.roles().map(({ name }) => name) }),
  roleDelete: quietly((state, { role = '' }) => {
    keepRoot(state, role);
    state.deleteRole(requireRole(state, role).name);
  }),
  roleGrantPermission: quietly(grantPermission),
  roleRevokePermission: quietly(revokePermission),
};

/** Applies a call of the Auth service that its caller is permitted; the answer lacks its header. Throws AuthError, the state being as it was. */
export function administer<E extends AuthEntry>(state: AuthState, { kind, request }: E): Bare<E['kind']> {
  return (appliers[kind] as (state: AuthState, request: unknown) => Bare<E['kind']>)(state, request);
}
