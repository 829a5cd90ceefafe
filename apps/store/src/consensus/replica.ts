import { type LeaseTime, PeerDefinition } from '@orrery/proto/raft';
import { type Client, Code, createClient, toRpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { etcdError } from '../errors.ts';
import type { Links } from './links.ts';
import type { MemberInfo, MembershipState } from './membership.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { memberIdOf } from './identity.ts';

/** A learner may vote once it has this much of the leader's log, as in etcd. */
const readyShare = 0.9;
/** A member that was heard of within this time is connected. */
const connectedMs = 5000;
/** Pause before the leader is asked again. */
const againMs = 50;

/** It was not the leader, or could not be reached: another may be. */
function mayChange(error: unknown): boolean {
  const { code, message } = toRpcError(error);
  return code === Code.UNAVAILABLE || code === Code.CANCELLED || message === etcdError('notLeader').message;
}

/** What the services of a member ask of the cluster: changes of members, and what only the leader knows. */
export class Replica {
  readonly log: ReplicatedLog;
  private readonly env: Env;
  private readonly clusterToken: string;

  constructor(options: { env: Env; log: ReplicatedLog; clusterToken: string }) {
    this.env = options.env;
    this.log = options.log;
    this.clusterToken = options.clusterToken;
  }

  private get links(): Links {
    return this.log.links;
  }

  get id(): string {
    return this.log.status.id;
  }

  get isLearner(): boolean {
    return this.log.membership.get(this.id)?.isLearner ?? false;
  }

  /** What a snapshot of this moment says besides the state. */
  snapshotExtra(): { term: number; membership: MembershipState } {
    const { appliedTerm, membership, status } = this.log;
    return { term: appliedTerm, membership: { configuration: status.configuration, members: membership.list(), removed: membership.removed } };
  }

  members(): MemberInfo[] {
    return this.log.membership.list();
  }

  /** Heard of a moment ago. Followers hear only of the leader unless they dial each other: it alone can say. */
  private isConnected(id: string): boolean {
    return id === this.id || this.env.clock.monotonic() - this.links.heardAt(id) < connectedMs;
  }

  private get voters(): MemberInfo[] {
    return this.members().filter(({ isLearner }) => !isLearner);
  }

  /** Adds a member that is to be started then. Rejects with etcd's reasons. */
  async add(peerURLs: readonly string[], isLearner: boolean): Promise<MemberInfo> {
    await this.log.readBarrier();
    const id = memberIdOf(peerURLs, `${this.clusterToken}${this.env.clock.now()}`);
    this.log.membership.checkAdd(id, peerURLs, isLearner);
    if (!isLearner && this.log.isLeader && !this.voters.every((voter) => this.isConnected(voter.id))) throw etcdError('unhealthy');
    const member = { id, name: '', peerURLs, clientURLs: [], isLearner };
    await this.log.change(isLearner ? 'addLearner' : 'addVoter', { member });
    return member;
  }

  async remove(id: string): Promise<void> {
    await this.log.readBarrier();
    this.log.membership.checkRemove(id);
    this.requireQuorumWithout(id);
    await this.log.change('remove', { member: { id } });
  }

  /** What is left must be a majority that works: a member that is down can always be taken out. */
  private requireQuorumWithout(id: string): void {
    if (!this.log.isLeader || this.log.membership.get(id)?.isLearner || !this.isConnected(id)) return;
    const rest = this.voters.filter((voter) => voter.id !== id);
    const connected = rest.filter((voter) => this.isConnected(voter.id)).length;
    if (connected < Math.floor(rest.length / 2) + 1) throw etcdError('unhealthy');
  }

  async update(id: string, peerURLs: readonly string[]): Promise<void> {
    await this.log.readBarrier();
    this.log.membership.checkUpdate(id, peerURLs);
    await this.log.change('update', { member: { id, peerURLs } });
  }

  /** Makes a learner a voter, if the leader finds that it has caught up. */
  async promote(id: string): Promise<void> {
    if (this.log.isLeader) return this.promoteHere(id);
    await this.askLeader((leader) => leader.promoteMember({ id }, this.callOptions));
    await this.log.readBarrier();
  }

  /** Of the leader. */
  async promoteHere(id: string): Promise<void> {
    await this.requireLeadership();
    const { log } = this;
    const member = log.membership.checkPromote(id);
    const { lastIndex, progress } = log.status;
    if ((progress.get(id)?.match ?? 0) < lastIndex * readyShare) throw etcdError('learnerNotReady');
    await log.change('addVoter', { member, isPromotion: true });
  }

  async moveLeader(to: string): Promise<void> {
    const { log } = this;
    if (!log.isLeader) throw etcdError('notLeader');
    const target = log.membership.get(to);
    if (!target || target.isLearner) throw etcdError('badTransferee');
    if (to !== this.id) await log.transferLeader(to);
  }

  /** Rejects unless this member led at some moment of this call: not one that does not know yet that it was replaced. */
  async requireLeadership(): Promise<void> {
    if (!this.log.isLeader) throw etcdError('notLeader');
    const { term } = this.log.status;
    await this.log.readBarrier();
    if (!this.log.isLeader || this.log.status.term !== term) throw etcdError('leaderChanged');
  }

  private get callOptions() {
    return { metadata: this.links.callMetadata, timeoutMs: this.log.timeoutMs };
  }

  /** Asks whoever leads, again when that changes. Rejects with `no leader` when there is none for too long. */
  private async askLeader<T>(ask: (leader: Client<typeof PeerDefinition>) => Promise<T>): Promise<T> {
    const until = this.env.clock.monotonic() + this.log.timeoutMs;
    for (let failure: unknown = etcdError('noLeader'); ; ) {
      const { leaderId } = this.log;
      const channel = leaderId === '' || leaderId === this.id ? undefined : this.links.client(leaderId);
      try {
        if (channel) return await ask(createClient(PeerDefinition, channel));
      } catch (error) {
        failure = error;
        if (!mayChange(error)) throw error;
      }
      // Meanwhile this member may have become it: the caller, asked again, finds out.
      if (this.log.isLeader) throw etcdError('leaderChanged');
      if (this.env.clock.monotonic() >= until || this.log.isStopped) throw failure;
      await this.env.clock.sleep(againMs);
    }
  }

  /** Says what this member is called and where it serves; until that is in the log, again and again. */
  async publish(attributes: Pick<MemberInfo, 'name' | 'clientURLs'>): Promise<void> {
    while (!this.log.isStopped) {
      try {
        return await this.log.publish({ id: this.id, ...attributes });
      } catch (error) {
        if (toRpcError(error).code !== Code.UNAVAILABLE) throw error;
      }
    }
  }

  renewLease(id: string): Promise<LeaseTime> {
    return this.askLeader((leader) => leader.renewLease({ id }, this.callOptions));
  }

  leaseTime(id: string): Promise<LeaseTime> {
    return this.askLeader((leader) => leader.getLeaseTime({ id }, this.callOptions));
  }
}
