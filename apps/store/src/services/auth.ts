import { AuthDefinition } from '@orrery/proto/etcd';
import { type ServedService, service } from '@orrery/rpc';
import { etcdError } from '../errors.ts';
import type { Member } from '../member.ts';

/** The Auth service of a store without users: it is off, and what needs it on or a user answers etcd's error for that. */
export function authService(member: Member): ServedService {
  const off = async (): Promise<never> => {
    throw etcdError('authNotEnabled');
  };
  const noUser = async (): Promise<never> => {
    throw etcdError('userNotFound');
  };
  const noRole = async (): Promise<never> => {
    throw etcdError('roleNotFound');
  };
  return service(AuthDefinition, {
    authStatus: async () => ({ header: member.header(), enabled: false, authRevision: 1 }),
    authEnable: async () => {
      throw etcdError('rootUserMissing');
    },
    authDisable: async () => ({ header: member.header() }),
    authenticate: off,
    userList: async () => ({ header: member.header(), users: [] }),
    roleList: async () => ({ header: member.header(), roles: [] }),
    userAdd: off,
    userGet: noUser,
    userDelete: noUser,
    userChangePassword: noUser,
    userGrantRole: noUser,
    userRevokeRole: noUser,
    roleAdd: off,
    roleGet: noRole,
    roleDelete: noRole,
    roleGrantPermission: noRole,
    roleRevokePermission: noRole,
  });
}
