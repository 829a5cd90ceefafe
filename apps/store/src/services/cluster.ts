import { ClusterDefinition } from '@orrery/proto/etcd';
import { type ServedService, service } from '@orrery/rpc';
import { etcdError } from '../errors.ts';
import type { Member } from '../member.ts';

/** The Cluster service of a cluster that has one member and stays so: changes answer etcd's reasons for refusing them. */
export function clusterService(member: Member, self: () => { name: string; clientURLs: string[]; peerURLs: string[] }): ServedService {
  const known = (id: string): void => {
    if (id !== member.identity.memberId) throw etcdError('memberNotFound');
  };
  return service(ClusterDefinition, {
    memberList: async () => ({ header: member.header(), members: [{ ID: member.identity.memberId, ...self(), isLearner: false }] }),
    memberAdd: async ({ peerURLs = [] }) => {
      throw etcdError(peerURLs.length ? 'notEnoughMembers' : 'memberBadUrls');
    },
    memberRemove: async ({ ID = '0' }) => {
      known(ID);
      throw etcdError('notEnoughMembers');
    },
    memberUpdate: async ({ ID = '0' }) => {
      known(ID);
      throw etcdError('notEnoughMembers');
    },
    memberPromote: async ({ ID = '0' }) => {
      known(ID);
      throw etcdError('memberNotLearner');
    },
  });
}
