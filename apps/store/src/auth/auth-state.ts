import { type KeyRange, rangeOf } from '@orrery/mvcc';
import { Permission_Type } from '@orrery/proto/etcd';
import type { Caller } from './auth-calls.ts';
import { AuthError } from './auth-error.ts';
import { KeyCoverage } from './key-coverage.ts';

/** The user and the role that may do everything. */
export const root = 'root';

export interface User {
  readonly name: string;
  /** As `hashPassword` made it; empty for a user without one. */
  readonly password: string;
  /** Known by certificate only. */
  readonly noPassword: boolean;
  /** Sorted. */
  readonly roles: readonly string[];
}

export interface KeyPermission {
  readonly type: Permission_Type;
  /** As in requests, a character a byte (Latin-1). */
  readonly key: string;
  readonly rangeEnd: string;
}

export interface Role {
  readonly name: string;
  /** Sorted by key. */
  readonly permissions: readonly KeyPermission[];
}

/** Users and roles as a snapshot holds them: JSON. */
export interface AuthSnapshot {
  readonly enabled: boolean;
  readonly revision: number;
  readonly users: readonly User[];
  readonly roles: readonly Role[];
}

interface Access {
  readonly read: KeyCoverage;
  readonly write: KeyCoverage;
}

const bytes = (latin1: string): Buffer => Buffer.from(latin1, 'latin1');

/**
 * Users, roles and what they may touch: the replicated half of authentication. Records are replaced, never changed. Each
 * change counts the revision up, and a request that was let in at an older one is refused: a permission that was just
 * revoked does not pass with what is in flight.
 */
export class AuthState {
  private on = false;
  private changes = 1;
  private readonly usersByName = new Map<string, User>();
  private readonly rolesByName = new Map<string, Role>();
  /** Merged permissions by user, made when first asked for. */
  private readonly access = new Map<string, Access>();

  get enabled(): boolean {
    return this.on;
  }

  get revision(): number {
    return this.changes;
  }

  user(name: string): User | undefined {
    return this.usersByName.get(name);
  }

  role(name: string): Role | undefined {
    return this.rolesByName.get(name);
  }

  /** In the order of names, as etcd keeps them. */
  users(): User[] {
    return [...this.usersByName.values()].sort(byName);
  }

  roles(): Role[] {
    return [...this.rolesByName.values()].sort(byName);
  }

  /** Enabling is no change of users or roles and leaves the revision. Throws when nobody could undo it. */
  enable(): void {
    if (this.on) return;
    const user = this.user(root);
    if (!user) throw new AuthError('rootUserMissing');
    if (!user.roles.includes(root)) throw new AuthError('rootRoleMissing');
    this.on = true;
  }

  disable(): void {
    if (!this.on) return;
    this.on = false;
    this.changed();
  }

  putUser(user: User): void {
    this.usersByName.set(user.name, user);
    this.changed();
  }

  deleteUser(name: string): void {
    this.usersByName.delete(name);
    this.changed();
  }

  putRole(role: Role): void {
    this.rolesByName.set(role.name, role);
    this.changed();
  }

  /** Takes the role from everyone who has it; one change. */
  deleteRole(name: string): void {
    this.rolesByName.delete(name);
    for (const user of this.usersByName.values()) {
      if (user.roles.includes(name)) this.usersByName.set(user.name, { ...user, roles: user.roles.filter((role) => role !== name) });
    }
    this.changed();
  }

  private changed(): void {
    this.changes += 1;
    this.access.clear();
  }

  /** Throws unless the caller may read (write) all of the range. Passes when authentication is off. */
  requireAccess(caller: Caller | undefined, verb: 'read' | 'write', range: KeyRange): void {
    if (!this.on) return;
    if (!caller) throw new AuthError('userEmpty');
    if (caller.revision < this.changes) throw new AuthError('oldAuthRevision');
    const user = this.user(caller.user);
    if (!user) throw new AuthError('permissionDenied');
    if (!user.roles.includes(root) && !this.accessOf(user)[verb].covers(range)) throw new AuthError('permissionDenied');
  }

  /** Throws unless the caller has the root role. Passes when authentication is off. */
  requireAdmin(caller: Caller | undefined): void {
    if (!this.on) return;
    if (!caller?.user) throw new AuthError('userEmpty');
    if (!this.user(caller.user)?.roles.includes(root)) throw new AuthError('permissionDenied');
  }

  private accessOf(user: User): Access {
    let access = this.access.get(user.name);
    if (!access) {
      const granted = user.roles.flatMap((role) => this.role(role)?.permissions ?? []);
      const ranges = (without: Permission_Type): KeyRange[] =>
        granted.filter(({ type }) => type !== without).map(({ key, rangeEnd }) => rangeOf(bytes(key), bytes(rangeEnd)));
      access = { read: new KeyCoverage(ranges(Permission_Type.WRITE)), write: new KeyCoverage(ranges(Permission_Type.READ)) };
      this.access.set(user.name, access);
    }
    return access;
  }

  snapshot(): AuthSnapshot {
    return { enabled: this.on, revision: this.changes, users: this.users(), roles: this.roles() };
  }

  restore({ enabled, revision, users, roles }: AuthSnapshot): void {
    this.usersByName.clear();
    this.rolesByName.clear();
    for (const user of users) this.usersByName.set(user.name, user);
    for (const role of roles) this.rolesByName.set(role.name, role);
    this.changed();
    this.on = enabled;
    this.changes = revision;
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}
