import { ClusterDefinition } from '@orrery/proto/etcd';
import { type CallContext, type ServedService, service } from '@orrery/rpc';
import type { Gate } from '../auth/gate.ts';
import { etcdError, translated } from '../errors.ts';
import type { Member } from '../member.ts';

/** The Cluster service of a cluster that has one member and stays so: changes answer etcd's reasons for refusing them. */
export function clusterService(member: Member, gate: Gate, self: () => { name: string; clientURLs: string[]; peerURLs: string[] }): ServedService {
  const admin = (context: CallContext): void => translated(() => gate.requireAdmin(context));
  const known = (id: string): void => {
    if (id !== member.identity.memberId) throw etcdError('memberNotFound');
  };
  return service(ClusterDefinition, {
    memberList: async (_request, context) => {
      translated(() => gate.requireUser(context));
      return { header: member.header(), members: [{ ID: member.identity.memberId, ...self(), isLearner: false }] };
    },
    memberAdd: async ({ peerURLs = [] }, context) => {
      admin(context);
      throw etcdError(peerURLs.length ? 'notEnoughMembers' : 'memberBadUrls');
    },
    memberRemove: async ({ ID = '0' }, context) => {
      admin(context);
      known(ID);
      throw etcdError('notEnoughMembers');
    },
    memberUpdate: async ({ ID = '0' }, context) => {
      admin(context);
      known(ID);
      throw etcdError('notEnoughMembers');
    },
    memberPromote: async ({ ID = '0' }, context) => {
      admin(context);
      known(ID);
      throw etcdError('memberNotLearner');
    },
  });
}
