import type { OwnerReference } from '@orrery/apimachinery';
import { type GraphNode, foregroundFinalizer, orphanFinalizer, orphansDependents, waitsForDependents } from './graph.ts';

/** How an owner stands: there, gone, or there only until its dependents are gone. */
export type OwnerState = 'solid' | 'dangling' | 'waiting';

export interface Observed {
  readonly node: GraphNode;
  readonly dependents: readonly GraphNode[];
  /** In the order of `node.owners`. */
  readonly owners: readonly OwnerState[];
}

export type Action =
  | { readonly type: 'nothing' }
  /** Take these owners off the object. */
  | { readonly type: 'removeOwners'; readonly uids: readonly string[] }
  | { readonly type: 'delete'; readonly policy: 'Background' | 'Foreground' | 'Orphan'; readonly unblock: boolean }
  /** Take this owner off the dependents, then the finalizer off the owner. */
  | { readonly type: 'orphanDependents'; readonly dependents: readonly GraphNode[] }
  | { readonly type: 'removeFinalizer'; readonly finalizer: string }
  | { readonly type: 'visit'; readonly uids: readonly string[] };

function blocks(dependent: GraphNode, owner: GraphNode): boolean {
  return dependent.owners.some((ref) => ref.uid === owner.uid && ref.blockOwnerDeletion === true);
}

function uidsIn(owners: readonly OwnerReference[], states: readonly OwnerState[], wanted: readonly OwnerState[]): string[] {
  return owners.filter((_owner, i) => wanted.includes(states[i] ?? 'solid')).map(({ uid }) => uid);
}

/** What to do about one object: upstream's garbage collector, one decision at a time. */
export function plan({ node, dependents, owners }: Observed): Action {
  if (orphansDependents(node)) return { type: 'orphanDependents', dependents };
  if (waitsForDependents(node)) {
    const blocking = dependents.filter((dependent) => blocks(dependent, node));
    if (!blocking.length) return { type: 'removeFinalizer', finalizer: foregroundFinalizer };
    return { type: 'visit', uids: blocking.filter((dependent) => !dependent.deleting).map(({ uid }) => uid) };
  }
  if (node.deleting || !node.owners.length) return { type: 'nothing' };
  const gone = uidsIn(node.owners, owners, ['dangling', 'waiting']);
  if (owners.includes('solid')) return gone.length ? { type: 'removeOwners', uids: gone } : { type: 'nothing' };
  if (owners.includes('waiting') && dependents.length) {
    // Owners in a circle would wait for each other for ever.
    const unblock = dependents.some(waitsForDependents);
    return { type: 'delete', policy: 'Foreground', unblock };
  }
  const policy = node.finalizers.includes(orphanFinalizer) ? 'Orphan' : node.finalizers.includes(foregroundFinalizer) ? 'Foreground' : 'Background';
  return { type: 'delete', policy, unblock: false };
}
