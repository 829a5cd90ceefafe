import type { Namespace, NamespaceCondition, NamespaceStatus } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';

/** What is left of one resource in a namespace. */
export interface Remaining {
  readonly group: string;
  readonly resource: string;
  readonly count: number;
  /** Finalizers of what is left, and how many objects carry each. */
  readonly finalizers: Readonly<Record<string, number>>;
}

export interface NamespaceContent {
  readonly remaining: readonly Remaining[];
  /** Group versions of other servers whose resources could not be found out: there may be content left in them. */
  readonly unknown?: readonly string[];
  /** What went wrong while deleting. */
  readonly errors: readonly string[];
}

function discovery({ unknown = [] }: NamespaceContent): Omit<NamespaceCondition, 'lastTransitionTime'> {
  const type = 'NamespaceDeletionDiscoveryFailure';
  if (!unknown.length) return { type, status: 'False', reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' };
  const groups = unknown.map((version) => `${version}: stale GroupVersion discovery: ${version}`).join(', ');
  const message = `Discovery failed for some groups, ${unknown.length} failing: unable to retrieve the complete list of server APIs: ${groups}`;
  return { type, status: 'True', reason: 'DiscoveryFailed', message };
}

function failure(content: NamespaceContent): Omit<NamespaceCondition, 'lastTransitionTime'> {
  const type = 'NamespaceDeletionContentFailure';
  if (!content.errors.length) return { type, status: 'False', reason: 'ContentDeleted', message: 'All content successfully deleted, may be waiting on finalization' };
  const message = `Failed to delete all resource types, ${content.errors.length} remaining: ${content.errors.join(', ')}`;
  return { type, status: 'True', reason: 'ContentDeletionFailed', message };
}

function remains(content: NamespaceContent): Omit<NamespaceCondition, 'lastTransitionTime'> {
  const type = 'NamespaceContentRemaining';
  const left = content.remaining.filter(({ count }) => count > 0).map(({ resource, group, count }) => `${resource}.${group} has ${count} resource instances`);
  if (!left.length) return { type, status: 'False', reason: 'ContentRemoved', message: 'All content successfully removed' };
  return { type, status: 'True', reason: 'SomeResourcesRemain', message: `Some resources are remaining: ${left.sort().join(', ')}` };
}

function finalizers(content: NamespaceContent): Omit<NamespaceCondition, 'lastTransitionTime'> {
  const type = 'NamespaceFinalizersRemaining';
  const totals = new Map<string, number>();
  for (const { finalizers: found } of content.remaining) for (const [name, count] of Object.entries(found)) totals.set(name, (totals.get(name) ?? 0) + count);
  if (!totals.size) return { type, status: 'False', reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' };
  const left = [...totals].map(([name, count]) => `${name} in ${count} resource instances`).sort();
  return { type, status: 'True', reason: 'SomeFinalizersRemain', message: `Some content in the namespace has finalizers remaining: ${left.join(', ')}` };
}

/** The status that tells what a namespace's deletion waits for; the same object when nothing changed. */
export function plan(namespace: Namespace, content: NamespaceContent, nowMs: number): { status: NamespaceStatus; empty: boolean } {
  const wanted = [
    discovery(content),
    { type: 'NamespaceDeletionGroupVersionParsingFailure', status: 'False', reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
    failure(content),
    remains(content),
    finalizers(content),
  ];
  const known = namespace.status?.conditions ?? [];
  const conditions = wanted.map((condition): NamespaceCondition => {
    const old = known.find(({ type }) => type === condition.type);
    return { ...condition, lastTransitionTime: old?.status === condition.status ? (old.lastTransitionTime ?? '') : rfc3339(nowMs) };
  });
  const others = known.filter(({ type }) => !wanted.some((condition) => condition.type === type));
  const empty = !content.errors.length && !content.unknown?.length && content.remaining.every(({ count }) => count === 0);
  return { status: { ...namespace.status, phase: 'Terminating', conditions: [...others, ...conditions] }, empty };
}
