import type { Authorizer } from '../pipeline/index.ts';

/** The group that may do everything, whatever roles and bindings say. */
export const systemMasters = 'system:masters';

export const systemMastersAuthorizer: Authorizer = {
  name: 'SystemMasters',
  authorize: ({ user }) => ({ decision: user.groups.includes(systemMasters) ? 'allow' : 'noOpinion', reason: '' }),
};
