import type { KindDescriptor } from '@orrery/api';
import { type KubeObject, cloneJson, deepEqual, formatApiVersion } from '@orrery/apimachinery';
import { StatusError, serviceUnavailable } from '@orrery/errors';
import { isConverted, viewed } from '../cache/conversion.ts';
import { encodeAt, encodeForStorage } from '../cache/encoding.ts';
import { Entry, entryFromStored } from '../cache/entry.ts';
import { type CommitResult, type StoredValue, type Write, readable } from '../storage/etcd-store.ts';
import { itemKey } from '../storage/keys.ts';
import { readCurrent } from './get.ts';
import type { Registry } from './registry.ts';

/** Attempts on one object before giving up; every retry means that somebody else made progress. */
const maxAttempts = 64;

function toStorage(kind: KindDescriptor, object: KubeObject): KubeObject | Promise<KubeObject> {
  const { storedAs } = kind;
  if (!storedAs) return object;
  return storedAs.conversion ? (storedAs.conversion.toStorage(object) as Promise<KubeObject>) : (storedAs.toStorage(object) as KubeObject);
}

/** What a dry run answers: the object as it would be stored. */
async function dryEntry(kind: KindDescriptor, item: string, draft: { object: KubeObject; revision: number }): Promise<Entry> {
  const { object, revision } = draft;
  if (isConverted(kind)) {
    const stored = await toStorage(kind, object);
    return viewed(kind, new Entry(item, revision, revision ? { parsed: versioned(stored, revision) } : { stored: encodeForStorage(stored) }));
  }
  if (!revision) return new Entry(item, 0, { encoded: encodeForStorage(object) });
  return new Entry(item, revision, { parsed: { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } } });
}

interface Attempt {
  readonly kind: KindDescriptor;
  readonly item: string;
  /** As the kind shows it; undefined to remove the object. */
  readonly draft: KubeObject | undefined;
  readonly old: Entry | undefined;
  readonly lease?: string;
}

type Committed = { readonly entry: Entry | undefined } | { readonly conflict: StoredValue | undefined };

async function extraWrites(registry: Registry, attempt: Attempt, draft: KubeObject | undefined, taken: ReadonlySet<string> | undefined): Promise<readonly Write[]> {
  const writes: Write[] = [];
  for (const hook of registry.hooks) {
    if (hook.handles(attempt.kind)) writes.push(...(await hook.plan({ draft, old: attempt.old?.view(attempt.kind).object, taken })));
  }
  return writes;
}

/** What a dry run shows of a draft: with everything that storing it would allocate. */
async function completed(registry: Registry, attempt: Attempt & { readonly draft: KubeObject }): Promise<KubeObject> {
  if (!registry.hooks.some((hook) => hook.handles(attempt.kind))) return attempt.draft;
  const copy = cloneJson(attempt.draft);
  await extraWrites(registry, attempt, copy, undefined);
  return copy;
}

/** Stores (or removes) one object and what hangs on it in one transaction. Conflicts on allocations are retried here. */
async function commit(registry: Registry, attempt: Attempt): Promise<Committed> {
  const { kind, item, old, lease } = attempt;
  const key = registry.feed.cache(kind).prefix + item;
  const hooked = registry.hooks.some((hook) => hook.handles(kind));
  const taken = hooked ? new Set<string>() : undefined;
  for (let i = 0; i < maxAttempts; i++) {
    const draft = attempt.draft && hooked ? cloneJson(attempt.draft) : attempt.draft;
    const extra = hooked ? await extraWrites(registry, attempt, draft, taken) : [];
    const converted = draft && toStorage(kind, draft);
    const object = converted instanceof Promise ? await converted : converted;
    const encoded = object && encodeAt(key, object, old?.known);
    const value = encoded?.value;
    const main: Write = { key, expect: old?.revision ?? 0, ...(value ? { put: value, ...(lease ? { lease } : {}) } : { delete: true as const }) };
    const own = encoded ? registry.ownWrites.begin(key, item, { object, ...encoded }) : undefined;
    let result: CommitResult;
    try {
      result = await registry.store.commit(extra.length ? [main, ...extra] : [main]);
    } catch (error) {
      own?.failed();
      throw error;
    }
    if (result.committed) return { entry: own?.committed(result.revision) ?? old?.at(result.revision) };
    own?.failed();
    const [current, ...others] = result.current;
    if ((current?.revision ?? 0) !== (old?.revision ?? 0)) return { conflict: current };
    for (const [n, write] of extra.entries()) if (write.expect !== undefined && (others[n]?.revision ?? 0) !== write.expect) taken?.add(write.key);
  }
  throw serviceUnavailable('storage: could not allocate for the object; too many concurrent allocations', 1);
}

/** Stores a new object; undefined when one of that name exists. */
export async function storeNew(
  registry: Registry,
  target: { kind: KindDescriptor; draft: KubeObject; dryRun: boolean; ttlSeconds?: number },
): Promise<Entry | undefined> {
  const { kind, draft } = target;
  const item = itemKey(kind, draft.metadata?.namespace ?? '', draft.metadata?.name ?? '');
  if (target.dryRun) {
    if (await readCurrent(registry, { kind }, item)) return undefined;
    return dryEntry(kind, item, { object: await completed(registry, { kind, item, draft, old: undefined }), revision: 0 });
  }
  const lease = target.ttlSeconds ? await registry.store.leaseFor(target.ttlSeconds) : undefined;
  const result = await commit(registry, { kind, item, draft, old: undefined, ...(lease ? { lease } : {}) });
  return 'entry' in result && result.entry ? viewed(kind, result.entry) : undefined;
}

/** What to make of the object as it is. `keep` answers with the object unchanged. */
export type Decision =
  | { readonly action: 'put'; readonly draft: KubeObject }
  /** Removes the object; `final` is its last state for the answer. */
  | { readonly action: 'delete'; readonly final?: KubeObject }
  | { readonly action: 'keep' };

export interface UpdateTarget {
  readonly kind: KindDescriptor;
  readonly namespace: string;
  readonly name: string;
  readonly dryRun: boolean;
  /** For objects that expire. */
  readonly ttlSeconds?: number;
  /**
   * Called with the current object as the kind shows it (undefined: there is none); again whenever it turns out to be
   * outdated. What it throws counts only when the object was current.
   */
  decide(current: Entry | undefined): Promise<Decision> | Decision;
}

export interface UpdateOutcome {
  readonly entry: Entry | undefined;
  readonly outcome: 'stored' | 'unchanged' | 'deleted';
  readonly created: boolean;
}

/**
 * Read, decide, compare-and-swap, again on conflict. Starts from the cache, so the usual update costs one round trip; the
 * decision is only final when it was made on what the store holds.
 */
export async function guaranteedUpdate(registry: Registry, target: UpdateTarget): Promise<UpdateOutcome> {
  const { kind } = target;
  const item = itemKey(kind, target.namespace, target.name);
  let old = registry.feed.cache(kind).get(item);
  let certain = false;
  if (!old) {
    old = await readCurrent(registry, target, item);
    certain = true;
  }
  for (let i = 0; i < maxAttempts; i++) {
    const view = old && (old.isShown(kind) ? old.view(kind) : await viewed(kind, old));
    let decision: Decision | undefined;
    try {
      decision = await target.decide(view);
    } catch (error) {
      if (certain || !(error instanceof StatusError)) throw error;
    }
    if (decision) {
      const settled = await settle(registry, target, { item, old, decision, certain });
      if (settled && 'outcome' in settled) return settled;
      if (settled) {
        old = settled.conflict ? entryFromStored(item, readable(settled.conflict)) : undefined;
        certain = true;
        continue;
      }
    }
    old = await readCurrent(registry, target, item);
    certain = true;
  }
  throw serviceUnavailable('storage: the object changes too often', 1);
}

interface Step {
  readonly item: string;
  readonly old: Entry | undefined;
  readonly decision: Decision;
  readonly certain: boolean;
}

/** Carries a decision out. Undefined: it was made on what may be outdated and must be made again. */
async function settle(registry: Registry, target: UpdateTarget, step: Step): Promise<UpdateOutcome | { conflict: StoredValue | undefined } | undefined> {
  const { kind, dryRun } = target;
  const { item, old, decision, certain } = step;
  const view = old?.view(kind);
  const draft = decision.action === 'put' ? decision.draft : undefined;
  const unchanged = draft && view && sameContent(draft, view) && !isOutdated(kind, old) && !old?.isStale;
  if (decision.action === 'keep' || unchanged) {
    return certain ? { entry: view, outcome: 'unchanged', created: false } : undefined;
  }
  if (dryRun) {
    const shown = draft ? await completed(registry, { kind, item, draft, old }) : decision.action === 'delete' ? decision.final : undefined;
    return { entry: shown ? await dryEntry(kind, item, { object: shown, revision: old?.revision ?? 0 }) : view, outcome: draft ? 'stored' : 'deleted', created: !old };
  }
  const lease = draft && target.ttlSeconds ? await registry.store.leaseFor(target.ttlSeconds) : undefined;
  const result = await commit(registry, { kind, item, draft, old, ...(lease ? { lease } : {}) });
  if ('conflict' in result) return result;
  const { entry } = result;
  if (draft) return { entry: entry && (await viewed(kind, entry)), outcome: 'stored', created: !old };
  const last = decision.action === 'delete' ? decision.final : undefined;
  const final = last && entry ? new Entry(item, entry.revision, { parsed: versioned(last, entry.revision) }) : entry && view?.at(entry.revision);
  return { entry: final, outcome: 'deleted', created: false };
}

function versioned(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** Stored at a version that is no longer the one to store at: writing an object as it is migrates it. */
function isOutdated(kind: KindDescriptor, old: Entry | undefined): boolean {
  const { customSchema, storedAs } = kind;
  return customSchema !== undefined && storedAs !== undefined && formatApiVersion(storedAs.group, storedAs.version) !== (old?.object as KubeObject | undefined)?.apiVersion;
}

/** Equal but for the resourceVersion: then nothing is written. */
function sameContent(draft: KubeObject, current: Entry): boolean {
  const now = draft as Readonly<Record<string, unknown>>;
  const before = current.object as Readonly<Record<string, unknown>>;
  // Metadata last: of it there would be a copy to make.
  for (const name in now) if (name !== 'metadata' && !deepEqual(now[name], before[name])) return false;
  for (const name in before) if (before[name] !== undefined && now[name] === undefined) return false;
  return deepEqual({ ...draft.metadata, resourceVersion: String(current.revision) }, before['metadata']);
}
