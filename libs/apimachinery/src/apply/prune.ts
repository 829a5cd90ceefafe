import { isRecord } from '../equality.ts';
import type { Schema } from '../schema.ts';
import { emptyFieldSet, type FieldSet, intersectSets, isEmptySet, subtractSets, unionSets } from './field-set.ts';
import type { Manager, Managers } from './managed-fields.ts';
import { removeFields, toFieldSet, withNamedFields } from './to-field-set.ts';
import { type VersionLookup, viewAt } from './versions.ts';

export interface Pruning {
  readonly merged: unknown;
  readonly schema: Schema;
  readonly apiVersion: string;
  readonly versions?: VersionLookup | undefined;
  /** With what the applier says now. */
  readonly managers: Managers;
  /** What he applied last time, at the version of then. */
  readonly last: Manager | undefined;
}

interface Place {
  readonly schema: Schema;
  to(object: unknown): unknown;
  from(object: unknown): unknown;
}

/** What has lost its identity is none that could be converted. */
function withIdentity(pruned: unknown, whole: unknown): unknown {
  if (!isRecord(whole)) return pruned;
  const { apiVersion, kind, metadata } = whole;
  const { name, namespace } = isRecord(metadata) ? metadata : {};
  return { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, ...(isRecord(pruned) ? pruned : {}), apiVersion, kind };
}

/** Sets joined by the version whose fields they name. */
function ownedByVersion({ managers }: Pruning, versionOf: (apiVersion: string) => string): Map<string, FieldSet> {
  const owned = new Map<string, FieldSet>();
  for (const { apiVersion, set } of managers.values()) {
    const version = versionOf(apiVersion);
    owned.set(version, unionSets(owned.get(version) ?? emptyFieldSet, set));
  }
  return owned;
}

/** What was pruned and somebody still owns comes back. */
function addBack(options: { merged: unknown; pruned: unknown; owned: FieldSet; schema: Schema }): unknown {
  const { merged, pruned, owned, schema } = options;
  const named = (set: FieldSet): FieldSet => withNamedFields(set, schema);
  const kept = unionSets(named(toFieldSet(pruned, schema)), named(owned));
  return removeFields(merged, subtractSets(named(toFieldSet(merged, schema)), kept), schema);
}

/**
 * Drops what the manager applied before and no longer does, unless another manager has it too. Works at the version of
 * then, where the fields have the names he gave them.
 */
export function prune(pruning: Pruning): unknown {
  const { merged, last, versions } = pruning;
  if (!last || isEmptySet(last.set)) return merged;
  const request: Place = { schema: pruning.schema, to: (object) => object, from: (object) => object };
  const placeOf = (apiVersion: string): Place | 'gone' => viewAt(versions, apiVersion, pruning.apiVersion) ?? request;
  const then = placeOf(last.apiVersion);
  if (then === 'gone') return merged;
  const versionOf = (apiVersion: string): string => (placeOf(apiVersion) === request ? pruning.apiVersion : apiVersion);
  const ownVersion = versionOf(last.apiVersion);
  const owned = ownedByVersion(pruning, versionOf);
  const whole = then.to(merged);
  const had = withNamedFields(last.set, then.schema);
  let pruned = addBack({ merged: whole, pruned: removeFields(whole, had, then.schema), owned: owned.get(ownVersion) ?? emptyFieldSet, schema: then.schema });
  for (const [version, set] of owned) {
    const place = placeOf(version);
    if (version === ownVersion || place === 'gone') continue;
    const shown = place.to(then.from(withIdentity(pruned, whole)));
    const there = place.to(merged);
    pruned = then.to(place.from(withIdentity(addBack({ merged: there, pruned: shown, owned: set, schema: place.schema }), there)));
  }
  const named = (object: unknown): FieldSet => withNamedFields(toFieldSet(object, then.schema), then.schema);
  const dangling = intersectSets(subtractSets(named(whole), named(pruned)), had);
  return then.from(withIdentity(removeFields(whole, dangling, then.schema), whole));
}
