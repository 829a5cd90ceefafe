import type { ConfChange } from '@orrery/raft';
import { etcdError } from '../errors.ts';
import type { MemberInfo, Membership } from './membership.ts';

/** What a change of members carries besides what the algorithm needs. */
export interface ChangeContext {
  /** The member as it is to be; of a removal: which. */
  readonly member: Pick<MemberInfo, 'id'> & Partial<MemberInfo>;
  readonly isPromotion?: boolean;
  readonly origin: number;
  readonly sequence: number;
}

export function writeChange(type: ConfChange['type'], context: ChangeContext): ConfChange {
  return { type, member: context.member.id, context: Buffer.from(JSON.stringify(context)) };
}

export function readChange({ context = new Uint8Array(0) }: ConfChange): ChangeContext {
  return JSON.parse(Buffer.from(context).toString('utf8')) as ChangeContext;
}

/**
 * Applies a committed change to the list. Throws etcd's error, the same on all members, for what no longer makes sense:
 * it then has no effect on who counts either.
 */
export function applyChange(membership: Membership, change: ConfChange, { member, isPromotion = false }: ChangeContext): void {
  const known = membership.get(member.id);
  const { name = '', peerURLs = [], clientURLs = [] } = member;
  if (change.type === 'remove') {
    if (!known) throw etcdError('memberNotFound');
    membership.remove(member.id);
    return;
  }
  if (membership.isRemoved(member.id)) throw etcdError(change.type === 'update' || isPromotion ? 'memberNotFound' : 'memberExists');
  if (change.type === 'update') {
    membership.checkUpdate(member.id, peerURLs);
    if (known) membership.set({ ...known, peerURLs });
  } else if (isPromotion) {
    if (!known) throw etcdError('memberNotFound');
    if (!known.isLearner) throw etcdError('memberNotLearner');
    membership.set({ ...known, isLearner: false });
  } else {
    if (known) throw etcdError('memberExists');
    membership.requireFreeUrls(peerURLs);
    membership.set({ id: member.id, name, peerURLs, clientURLs, isLearner: change.type === 'addLearner' });
  }
}
