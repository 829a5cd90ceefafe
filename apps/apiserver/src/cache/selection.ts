import type { KindDescriptor } from '@orrery/api';
import type { Entry } from './entry.ts';

/** What a list or watch wants of a resource. Built by `registry/selection`. */
export interface Selection {
  /** Empty: all. */
  readonly namespace: string;
  /** Set when exactly one object can match (`metadata.name=x`, with a namespace where there is one). */
  readonly key?: string;
  /** Set when an indexed field must have one value, e.g. `spec.nodeName`. */
  readonly indexed?: { readonly field: string; readonly value: string };
  /** Selectors; undefined: everything in scope matches. Namespace and key are checked apart. */
  readonly matches?: (entry: Entry) => boolean;
}

export const everything: Selection = { namespace: '' };

/** Fields that get an index: those by which nodes find their pods. */
export function indexedFields(kind: Pick<KindDescriptor, 'group' | 'resource'>): readonly string[] {
  return kind.group === '' && kind.resource === 'pods' ? ['spec.nodeName'] : [];
}

export function inScope(selection: Selection, entry: Entry): boolean {
  if (selection.key !== undefined) return entry.key === selection.key;
  return selection.namespace === '' || entry.key.startsWith(`${selection.namespace}/`);
}

/** Scope and selectors together. */
export function selects(selection: Selection, entry: Entry): boolean {
  return inScope(selection, entry) && (selection.matches?.(entry) ?? true);
}
