import { type Member as MemberMessage, ClusterDefinition } from '@orrery/proto/etcd';
import { type CallContext, type ServedService, service } from '@orrery/rpc';
import type { Gate } from '../auth/gate.ts';
import { isPeerUrl } from '../consensus/identity.ts';
import type { MemberInfo } from '../consensus/membership.ts';
import type { Replica } from '../consensus/replica.ts';
import { etcdError, translated } from '../errors.ts';
import type { Member } from '../member.ts';

function memberMessage({ id, name, peerURLs, clientURLs, isLearner }: MemberInfo): MemberMessage {
  return { ID: id, name, peerURLs: [...peerURLs], clientURLs: [...clientURLs], isLearner };
}

/** Addresses of a member, sorted; throws etcd's error for none, and for what is none. */
function checkedUrls(urls: readonly string[]): string[] {
  if (urls.length === 0 || !urls.every(isPeerUrl)) throw etcdError('memberBadUrls');
  return [...urls].sort();
}

/** The Cluster service. Alone, without an address for others, a store has one member and stays so: it answers etcd's reasons for that. */
export function clusterService(member: Member, gate: Gate, self: () => { name: string; clientURLs: string[]; peerURLs: string[] }): ServedService {
  const admin = (context: CallContext): void => translated(() => gate.requireAdmin(context));
  const answer = () => {
    const members = member.replica?.members().map(memberMessage) ?? [{ ID: member.identity.memberId, ...self(), isLearner: false }];
    return { header: member.header(), members };
  };
  /** Of a store that has others, or could. */
  const replica = (): Replica => {
    if (!member.replica) throw etcdError('notEnoughMembers');
    return member.replica;
  };
  const known = (id: string): void => {
    if (!member.replica && id !== member.identity.memberId) throw etcdError('memberNotFound');
  };
  return service(ClusterDefinition, {
    memberList: async ({ linearizable }, context) => {
      translated(() => gate.requireUser(context));
      if (linearizable) await member.readBarrier();
      return answer();
    },
    memberAdd: async ({ peerURLs = [], isLearner = false }, context) => {
      admin(context);
      const urls = checkedUrls(peerURLs);
      const added = await replica().add(urls, isLearner);
      return { ...answer(), member: memberMessage(added) };
    },
    memberRemove: async ({ ID = '0' }, context) => {
      admin(context);
      known(ID);
      await replica().remove(ID);
      return answer();
    },
    memberUpdate: async ({ ID = '0', peerURLs = [] }, context) => {
      admin(context);
      known(ID);
      if (member.replica) await member.replica.update(ID, checkedUrls(peerURLs));
      else throw etcdError('notEnoughMembers');
      return answer();
    },
    memberPromote: async ({ ID = '0' }, context) => {
      admin(context);
      known(ID);
      if (!member.replica) throw etcdError('memberNotLearner');
      await member.replica.promote(ID);
      return answer();
    },
  });
}
