import type { OwnerReference } from '@orrery/apimachinery';
import type { Draft } from './metadata.ts';
import type { RequestScope } from './registry.ts';

/**
 * Drops owner references that are there twice, with upstream's warning. Creates and updates are looked at before and after
 * mutating admission, patches only after it.
 */
export function dropDoubleOwners(scope: Pick<RequestScope, 'warn'>, draft: Draft, when: 'sent' | 'admitted'): void {
  const { ownerReferences } = draft.metadata;
  if (!ownerReferences || ownerReferences.length < 2) return;
  const kept: OwnerReference[] = [];
  const seen = new Set<string>();
  const doubled: string[] = [];
  for (const reference of ownerReferences) {
    const { apiVersion, kind, name, uid = '', controller, blockOwnerDeletion } = reference;
    const text = JSON.stringify([apiVersion, kind, name, uid, controller ?? null, blockOwnerDeletion ?? null]);
    if (seen.has(text)) doubled.push(uid);
    else kept.push(reference);
    seen.add(text);
  }
  if (doubled.length === 0) return;
  const after = when === 'admitted' ? ' after mutating admission happens' : '';
  scope.warn(
    `.metadata.ownerReferences contains duplicate entries${after}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${doubled.join(', ')}`,
  );
  draft.metadata.ownerReferences = kept;
}
