import { StatusError } from '@orrery/errors';
import { deepEqual, isRecord } from '../equality.ts';
import type { Schema } from '../schema.ts';
import { addedFields } from './added-fields.ts';
import { checkApplied, joinProblems } from './check-applied.ts';
import { compareObjects } from './compare.ts';
import { type Effect, effectOf } from './effect.ts';
import { emptyFieldSet, type FieldPath, type FieldSet, formatPath, insertPath, isEmptySet, isSubset, listPaths, newFieldSet, subtractSets, subtractTrees } from './field-set.ts';
import { ownedByCreator, union } from './field-set-memory.ts';
import { lastAppliedSet, withLastApplied } from './last-applied.ts';
import { decodeManagers, describeManager, encodeManagers, isReset, type ManagedFieldsEntry, type Manager, managerId, type Managers } from './managed-fields.ts';
import { mergeValues } from './merge-values.ts';
import { prune } from './prune.ts';
import { removeFields, toFieldSet } from './to-field-set.ts';
import type { VersionLookup } from './versions.ts';

type Fields = Record<string, unknown>;

export interface TrackOptions {
  /** Undefined for a create. */
  readonly before: unknown;
  /** The object about to be stored, after admission. */
  readonly after: unknown;
  readonly manager: string;
  readonly schema: Schema;
  /** Of the request, e.g. `apps/v1`. */
  readonly apiVersion: string;
  readonly subresource?: string;
  /** RFC 3339, whole seconds. */
  readonly nowIso: string;
  /** Top-level fields that the request may not change (`status` for the main resource). */
  readonly resetFields?: readonly string[];
  /** Without it all managers are taken to see the same fields. */
  readonly versions?: VersionLookup;
}

export interface ApplyOptions {
  /** Undefined: the object is created. */
  readonly live: unknown;
  readonly applied: unknown;
  readonly manager: string;
  readonly force: boolean;
  readonly schema: Schema;
  readonly apiVersion: string;
  readonly kind: string;
  readonly subresource?: string;
  readonly nowIso: string;
  readonly resetFields?: readonly string[];
  readonly versions?: VersionLookup;
}

/** A field that another manager owns and the applied object would change. */
export interface ApplyConflict {
  /** As messages show it: `"kubectl-edit" using apps/v1`. */
  readonly manager: string;
  /** `.spec.replicas` */
  readonly field: string;
}

export type ApplyResult = { readonly object: Fields } | { readonly conflicts: readonly ApplyConflict[] };

/** The applied object does not fit its schema, or says what it may not say. The message is upstream's. */
export class ApplyError extends Error {
  /** 400 for what the client must not send; 500 for what cannot be read as the type, as upstream answers. */
  readonly code: 400 | 500;

  constructor(code: ApplyError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Identity and bookkeeping: nobody owns these. */
const unowned: FieldSet = (() => {
  const set = newFieldSet();
  for (const name of ['apiVersion', 'kind', 'metadata']) insertPath(set, [`f:${name}`]);
  for (const name of ['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation', 'managedFields', 'resourceVersion']) {
    insertPath(set, ['f:metadata', `f:${name}`]);
  }
  return set;
})();

function metadataOf(object: unknown): Fields {
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  return isRecord(metadata) ? metadata : {};
}

function entriesOf(object: unknown): readonly ManagedFieldsEntry[] | undefined {
  return metadataOf(object)['managedFields'] as readonly ManagedFieldsEntry[] | undefined;
}

function withoutManagers(object: unknown): Fields {
  if (!isRecord(object)) return {};
  if (!isRecord(object['metadata'])) return object;
  const { managedFields: _managedFields, ...metadata } = object['metadata'];
  return { ...object, metadata };
}

function withEntries(object: Fields, entries: readonly ManagedFieldsEntry[] | undefined): Fields {
  if (!entries || entries.length === 0) return object;
  return { ...object, metadata: { ...metadataOf(object), managedFields: entries } };
}

function withManagers(object: Fields, managers: Managers): Fields {
  return withEntries(object, encodeManagers(managers));
}

const resets = new Map<string, FieldSet>();

function resetSet(names: readonly string[] = []): FieldSet {
  const key = names.join();
  let set = resets.get(key);
  if (!set) {
    const built = newFieldSet();
    for (const name of names) insertPath(built, [`f:${name}`]);
    resets.set(key, (set = built));
  }
  return set;
}

/**
 * Keeps `metadata.managedFields` over a create, update or patch: what changed belongs to `manager` now. Returns `after`
 * with its entries; when nothing changed they are those of before, times included.
 */
export function trackUpdate(options: TrackOptions): Fields {
  const { before, after, manager, schema, apiVersion, subresource = '', nowIso } = options;
  const sent = entriesOf(after);
  const live = decodeManagers(entriesOf(before)) ?? new Map<string, Manager>();
  const own = subresource === '' && !isReset(sent) ? decodeManagers(sent) : undefined;
  const managers = subresource === '' && isReset(sent) ? new Map<string, Manager>() : own && own.size > 0 ? own : live;
  const object = withoutManagers(after);
  // What is not tracked since its creation is only from its first apply on.
  if (managers.size === 0 && metadataOf(before)['uid']) return object;
  if (before === undefined && managers.size === 0) {
    const set = ownedByCreator(addedFields(object, schema), { ignored: resetSet(options.resetFields), unowned });
    return withManagers(object, new Map([['', { name: manager, operation: 'Update', apiVersion, subresource, time: nowIso, set }]]));
  }
  const id = managerId({ name: manager, operation: 'Update', apiVersion, subresource });
  const effect = effectOf({ before, after, schema, apiVersion, versions: options.versions, managers, self: 'current operation', keeper: id, ignored: resetSet(options.resetFields) });
  const taken = subtractSets(effect.gained, unowned);
  if (managers === live && isEmptySet(taken) && isEmptySet(effect.removed)) return withEntries(object, entriesOf(before));
  if (isEmptySet(taken)) return withManagers(object, effect.managers);
  const entry: Manager = { name: manager, operation: 'Update', apiVersion, subresource, time: nowIso, set: taken };
  const previous = effect.managers.get(id);
  effect.managers.set(id, previous ? { ...entry, set: union(previous.set, taken) } : entry);
  return withManagers(object, effect.managers);
}

/** As Go prints a group, version and kind: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`. */
function typeText(apiVersion: unknown, kind: unknown): string {
  const version = typeof apiVersion === 'string' ? apiVersion : '';
  return `${version.includes('/') ? version : `/${version}`}, Kind=${typeof kind === 'string' ? kind : ''}`;
}

function checkRequest(options: ApplyOptions): void {
  const { applied, schema, apiVersion } = options;
  const { apiVersion: sent, kind: sentKind } = (isRecord(applied) ? applied : {}) as { apiVersion?: unknown; kind?: unknown };
  if (sent !== apiVersion || sentKind !== options.kind) throw new ApplyError(400, `invalid object type: ${typeText(sent, sentKind)}`);
  if (Array.isArray(entriesOf(applied))) throw new ApplyError(400, 'metadata.managedFields must be nil');
  const problems = checkApplied(applied, schema);
  if (problems.length === 0) return;
  const { name = '', namespace = '' } = metadataOf(applied) as { name?: string; namespace?: string };
  const subject = `${namespace}/${name}; ${typeText(sent, sentKind)}`;
  throw new ApplyError(500, `failed to create typed patch object (${subject}): ${joinProblems(problems)}`);
}

/** Nulls stand for containers that lost all they had. */
function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(dropNulls);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null).map(([key, member]) => [key, dropNulls(member)]));
}

/** Before the first apply, what is there belongs to nobody known. */
function initialManagers({ live, schema, apiVersion, nowIso }: ApplyOptions): Managers {
  const known = decodeManagers(entriesOf(live)) ?? new Map<string, Manager>();
  if (known.size > 0 || live === undefined) return known;
  const { gained } = compareObjects({}, withoutManagers(live), schema);
  const manager: Manager = { name: 'before-first-apply', operation: 'Update', apiVersion, subresource: '', time: nowIso, set: subtractSets(gained, unowned) };
  return new Map([[managerId(manager), manager]]);
}

function listConflicts(conflicts: Effect['conflicts']): ApplyConflict[] {
  return [...conflicts]
    .sort((a, b) => (managerId(a.manager) < managerId(b.manager) ? -1 : 1))
    .flatMap(({ manager, set }) => listPaths(set).map((path: FieldPath) => ({ manager: describeManager(manager), field: formatPath(path) })));
}

/** Conflicts that stand in the way of an apply. */
function realConflicts(effect: Effect, options: ApplyOptions): Effect['conflicts'] {
  if (options.force || effect.conflicts.length === 0) return [];
  const record = lastAppliedSet(options);
  if (isEmptySet(record)) return effect.conflicts;
  return effect.conflicts.map(({ manager, set }) => ({ manager, set: subtractSets(set, record) })).filter(({ set }) => !isEmptySet(set));
}

/**
 * Server-side apply: `live` with what `applied` says, without what `manager` said before and no longer does; or the
 * conflicts with other managers' fields. An apply without effect returns the live object itself. Throws ApplyError.
 */
export function applyPatch(options: ApplyOptions): ApplyResult {
  checkRequest(options);
  const { schema, manager, apiVersion, subresource = '', nowIso } = options;
  const ignored = resetSet(options.resetFields);
  const live = withoutManagers(options.live);
  const applied = removeFields(withoutManagers(options.applied), ignored, schema) as Fields;
  const before = initialManagers(options);
  const said = subtractTrees(toFieldSet(applied, schema), ignored);
  const set = subtractSets(said, unowned);
  const entry: Manager = { name: manager, operation: 'Apply', apiVersion, subresource, time: nowIso, set };
  const self = managerId(entry);
  const last = before.get(self);
  const managers = new Map(before).set(self, entry);
  const merged = mergeValues(schema, live, dropNulls(applied));
  // Identity is nobody's, but what says it keeps the metadata that holds it.
  const keepers = new Map(before).set(self, { ...entry, set: said });
  const after = dropNulls(prune({ merged, schema, apiVersion, versions: options.versions, managers: keepers, last })) as Fields;
  const effect = effectOf({ before: live, after, schema, apiVersion, versions: options.versions, managers, self, ignored });
  const conflicts = realConflicts(effect, options);
  if (conflicts.length > 0) return { conflicts: listConflicts(conflicts) };
  const final = withLastApplied(after, options.applied as Fields, manager);
  const lastSet = last?.set ?? emptyFieldSet;
  const isUnchanged = options.live !== undefined && deepEqual(live, final) && isSubset(lastSet, set) && isSubset(set, lastSet);
  if (isUnchanged) return { object: options.live as Fields };
  return { object: withManagers(final, effect.managers) };
}

/** The 409 of an apply with conflicts, in upstream's words. */
export function applyConflictError(conflicts: readonly ApplyConflict[]): StatusError {
  const causes = conflicts.map(({ manager, field }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field }));
  const [only] = conflicts;
  const lines = [...Map.groupBy(conflicts, (conflict) => conflict.manager)].flatMap(([manager, group]) => [`conflicts with ${manager}:`, ...group.map(({ field }) => `- ${field}`)]);
  const message =
    conflicts.length === 1 && only
      ? `Apply failed with 1 conflict: conflict with ${only.manager}: ${only.field}`
      : `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
  return new StatusError({ code: 409, reason: 'Conflict', message, details: { causes } });
}
