import type { Schema } from '../schema.ts';
import { emptyFieldSet, type FieldSet, isEmptySet, subtractSets, subtractTrees } from './field-set.ts';
import { intersection } from './field-set-memory.ts';
import type { Manager, Managers } from './managed-fields.ts';
import { compareObjects } from './compare.ts';
import { type VersionLookup, viewAt } from './versions.ts';

export interface Change {
  readonly before: unknown;
  readonly after: unknown;
  readonly schema: Schema;
  /** Of the objects. */
  readonly apiVersion: string;
  readonly versions?: VersionLookup | undefined;
  readonly managers: Managers;
  /** Identity of the one who changes, and whose entry stays as it is. */
  readonly self: string;
  /** Whose fields are not taken from him when he changes them. */
  readonly keeper?: string;
  readonly ignored: FieldSet;
}

interface Difference {
  readonly gained: FieldSet;
  readonly removed: FieldSet;
}

export interface Effect extends Difference {
  readonly managers: Managers;
  readonly conflicts: readonly { readonly manager: Manager; readonly set: FieldSet }[];
}

function differenceOf({ before, after, schema, ignored }: Pick<Change, 'before' | 'after' | 'schema' | 'ignored'>): Difference {
  const { gained, removed } = compareObjects(before, after, schema);
  return { gained: subtractTrees(gained, ignored), removed: subtractTrees(removed, ignored) };
}

/** What a change takes from the other managers, each of whom sees it at his own version. Those of versions that are gone go. */
export function effectOf(change: Change): Effect {
  const { managers, self, keeper, apiVersion, versions } = change;
  const own = differenceOf(change);
  const seen = new Map<string, Difference | 'gone'>([[apiVersion, own]]);
  const differenceAt = (version: string): Difference | 'gone' => {
    let difference = seen.get(version);
    if (difference) return difference;
    const view = viewAt(versions, version, apiVersion);
    if (view === undefined || view === 'gone') difference = view ?? own;
    else difference = differenceOf({ ...change, before: view.to(change.before), after: view.to(change.after), schema: view.schema });
    seen.set(version, difference);
    return difference;
  };
  const conflicts: { manager: Manager; set: FieldSet }[] = [];
  const next: Managers = new Map();
  for (const [id, manager] of managers) {
    if (id === self) {
      next.set(id, manager);
      continue;
    }
    const difference = differenceAt(manager.apiVersion);
    if (difference === 'gone') continue;
    const set = id === keeper ? emptyFieldSet : intersection(manager.set, difference.gained);
    if (!isEmptySet(set)) conflicts.push({ manager, set });
    const rest = subtractSets(subtractSets(manager.set, set), difference.removed);
    next.set(id, rest === manager.set ? manager : { ...manager, set: rest });
  }
  return { managers: next, conflicts, ...own };
}
