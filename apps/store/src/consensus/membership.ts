import type { Configuration } from '@orrery/raft';
import { etcdError } from '../errors.ts';

/** What the cluster knows of a member. */
export interface MemberInfo {
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

/** The replicated list of members, as it goes into snapshots. */
export interface MembershipState {
  readonly configuration: Configuration;
  readonly members: readonly MemberInfo[];
  /** Ids that were taken out: they never come back. */
  readonly removed: readonly string[];
}

/** Learners a cluster may have at a time, as etcd's default. */
const maxLearners = 1;

const quorumOf = (count: number): number => Math.floor(count / 2) + 1;

/** Who is in the cluster and where: changed by committed entries alone, so that all members agree. */
export class Membership {
  private readonly byId = new Map<string, MemberInfo>();
  private readonly gone = new Set<string>();

  constructor(members: readonly MemberInfo[] = [], removed: readonly string[] = []) {
    this.replace(members, removed);
  }

  replace(members: readonly MemberInfo[], removed: readonly string[]): void {
    this.byId.clear();
    this.gone.clear();
    for (const member of members) this.byId.set(member.id, member);
    for (const id of removed) this.gone.add(id);
  }

  /** By id, as etcd lists them. */
  list(): MemberInfo[] {
    return [...this.byId.values()].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  }

  get(id: string): MemberInfo | undefined {
    return this.byId.get(id);
  }

  set(member: MemberInfo): void {
    this.byId.set(member.id, member);
  }

  remove(id: string): void {
    this.byId.delete(id);
    this.gone.add(id);
  }

  isRemoved(id: string): boolean {
    return this.gone.has(id);
  }

  get removed(): string[] {
    return [...this.gone];
  }

  private get voters(): MemberInfo[] {
    return this.list().filter(({ isLearner }) => !isLearner);
  }

  /** Throws when another member listens at one of these. */
  requireFreeUrls(peerURLs: readonly string[], except = ''): void {
    for (const { id, peerURLs: taken } of this.byId.values()) {
      if (id !== except && taken.some((url) => peerURLs.includes(url))) throw etcdError('peerUrlExists');
    }
  }

  /** Throws etcd's reason for not adding a member. A majority of those that count afterwards must have been started. */
  checkAdd(id: string, peerURLs: readonly string[], isLearner: boolean): void {
    if (this.byId.has(id) || this.gone.has(id)) throw etcdError('memberExists');
    this.requireFreeUrls(peerURLs);
    if (!isLearner) this.requireStarted(this.voters, this.voters.length + 1);
    else if (this.list().filter((member) => member.isLearner).length >= maxLearners) throw etcdError('tooManyLearners');
  }

  checkUpdate(id: string, peerURLs: readonly string[]): MemberInfo {
    const member = this.require(id);
    this.requireFreeUrls(peerURLs, id);
    return member;
  }

  checkRemove(id: string): void {
    const member = this.require(id);
    if (member.isLearner) return;
    const rest = this.voters.filter((one) => one.id !== id);
    if (rest.length === 0) throw etcdError('notEnoughMembers');
    this.requireStarted(rest, rest.length);
  }

  checkPromote(id: string): MemberInfo {
    const member = this.require(id);
    if (!member.isLearner) throw etcdError('memberNotLearner');
    this.requireStarted([...this.voters, member], this.voters.length + 1);
    return member;
  }

  private require(id: string): MemberInfo {
    const member = this.byId.get(id);
    if (!member) throw etcdError('memberNotFound');
    return member;
  }

  private requireStarted(voters: readonly MemberInfo[], count: number): void {
    const started = voters.filter(({ name }) => name !== '').length;
    // One member may always get a second: that is how a cluster grows from a backup.
    if (started === 1 && count === 2) return;
    if (started < quorumOf(count)) throw etcdError('notEnoughMembers');
  }
}
