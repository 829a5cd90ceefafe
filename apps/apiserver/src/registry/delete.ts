import { type KubeObject, cloneJson } from '@orrery/apimachinery';
import { conflict, forbidden, notFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import type { Entry } from '../cache/entry.ts';
import { type Admission, admission } from './admission-chain.ts';
import { type Decision, guaranteedUpdate } from './commit.ts';
import type { Draft } from './metadata.ts';
import { type Registry, type RequestScope, type WriteOptions, subjectOf } from './registry.ts';
import { strategyContext } from './update-strategy.ts';

export interface DeleteOptions extends WriteOptions {
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export interface DeleteResult {
  /** The last state, or the state in which the object lingers. */
  readonly entry: Entry;
  /** False while grace or finalizers keep the object. */
  readonly gone: boolean;
}

const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';

function checkPreconditions(scope: RequestScope, options: DeleteOptions, object: KubeObject): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const meta = object.metadata ?? {};
  // Upstream names the kind here where other conflicts name the resource.
  const subject = { ...subjectOf(scope), resource: scope.kind.kind };
  if (uid && uid !== meta.uid) {
    throw conflict(subject, `the UID in the precondition (${uid}) does not match the UID in record (${meta.uid ?? ''}). The object might have been deleted and then recreated`);
  }
  if (resourceVersion && resourceVersion !== meta.resourceVersion) {
    throw conflict(subject, `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${meta.resourceVersion ?? ''}). The object might have been modified`);
  }
}

/** What a deletion leaves in metadata.finalizers for the garbage collector; upstream's deletionFinalizersForGarbageCollection. */
function collectorFinalizers(scope: RequestScope, options: DeleteOptions, before: readonly string[]): string[] {
  if (scope.kind.kind === 'Event') return [...before];
  const asked = options.propagationPolicy || (options.orphanDependents === undefined ? '' : options.orphanDependents ? 'Orphan' : 'Background');
  const fallback = before.includes(orphanFinalizer) ? 'Orphan' : before.includes(foregroundFinalizer) ? 'Foreground' : scope.kind.defaultPropagation;
  const policy = asked || fallback;
  const rest = before.filter((f) => f !== orphanFinalizer && f !== foregroundFinalizer);
  if (policy === 'Orphan') rest.push(orphanFinalizer);
  if (policy === 'Foreground') rest.push(foregroundFinalizer);
  return rest;
}

/** Only pods are deleted gracefully. */
function isGraceful(scope: RequestScope): boolean {
  return scope.kind.group === '' && scope.kind.kind === 'Pod';
}

type Verdict = 'now' | 'pending' | 'marked';

/** Sets the deletion timestamp for a grace period. `pending`: it is set already, and not to be shortened. */
function markGraceful(registry: Registry, scope: RequestScope, options: DeleteOptions, draft: Draft): Verdict {
  const { metadata } = draft;
  const { gracePeriodSeconds } = options;
  const requested = gracePeriodSeconds !== undefined && gracePeriodSeconds < 0 ? 1 : gracePeriodSeconds;
  if (metadata.deletionTimestamp !== undefined) {
    const current = metadata.deletionGracePeriodSeconds;
    if (!current) return 'now';
    if (requested === undefined || requested >= current) return 'pending';
    const at = Date.parse(metadata.deletionTimestamp) - (current - requested) * 1000;
    metadata.deletionTimestamp = rfc3339(at);
    metadata.deletionGracePeriodSeconds = requested;
    return 'marked';
  }
  const grace = scope.kind.gracePeriodSeconds(draft, requested);
  metadata.deletionTimestamp = rfc3339(registry.env.clock.now() + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (metadata.generation) metadata.generation += 1;
  return 'marked';
}

/** Marks an object that waits for finalizers only. */
function markWaiting(registry: Registry, draft: Draft): void {
  const { metadata } = draft;
  if (metadata.deletionTimestamp === undefined && metadata.generation) metadata.generation += 1;
  const nowMs = registry.env.clock.now();
  const at = metadata.deletionTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(metadata.deletionTimestamp);
  if (at > nowMs) metadata.deletionTimestamp = rfc3339(nowMs);
  metadata.deletionGracePeriodSeconds = 0;
}

/** A namespace lingers while spec.finalizers has entries; deleting it starts the termination. */
function markNamespace(registry: Registry, draft: Draft & { spec?: { finalizers?: string[] }; status?: { phase?: string } }): Decision | undefined {
  if ((draft.spec?.finalizers ?? []).length === 0) return undefined;
  if (draft.metadata.deletionTimestamp !== undefined && draft.status?.phase === 'Terminating') return { action: 'keep' };
  draft.metadata.deletionTimestamp ??= rfc3339(registry.env.clock.now());
  draft.metadata.deletionGracePeriodSeconds = 0;
  draft.status = { ...draft.status, phase: 'Terminating' };
  return { action: 'put', draft };
}

/** The first step of a deletion: remove now, or mark and leave. */
function decide(registry: Registry, scope: RequestScope, options: DeleteOptions, before: KubeObject): Decision {
  // Only metadata is marked, but for what kinds do themselves.
  const draft = (scope.kind.prepareForDelete ? cloneJson(before) : { ...before }) as Draft;
  draft.metadata = { ...draft.metadata };
  if (scope.kind.group === '' && scope.kind.kind === 'Namespace') {
    const decision = markNamespace(registry, draft);
    if (decision) return decision;
  }
  if (draft.metadata.deletionTimestamp === undefined) scope.kind.prepareForDelete?.(draft, strategyContext(registry, scope));
  const verdict = isGraceful(scope) ? markGraceful(registry, scope, options, draft) : 'now';
  if (verdict === 'pending') return { action: 'keep' };
  const finalizers = collectorFinalizers(scope, options, draft.metadata.finalizers ?? []);
  if (finalizers.length) draft.metadata.finalizers = finalizers;
  else delete draft.metadata.finalizers;
  if (verdict === 'marked') return { action: 'put', draft };
  if (finalizers.length === 0) return { action: 'delete' };
  markWaiting(registry, draft);
  return { action: 'put', draft };
}

function lingers(object: KubeObject): boolean {
  return (object.metadata?.finalizers ?? []).length > 0 || (object.metadata?.deletionGracePeriodSeconds ?? 0) > 0;
}

/** DELETE of one object. */
export async function deleteObject(registry: Registry, scope: RequestScope, options: DeleteOptions): Promise<DeleteResult> {
  const { kind, info } = scope;
  if (Object.keys(options.raw).length > 2) scope.audit?.request(options.raw);
  const refusal = info.verb === 'delete' && kind.refusesDelete?.(info.name);
  if (refusal) throw forbidden(subjectOf(scope), refusal);
  const target = { kind, namespace: kind.namespaced ? info.namespace : '', name: info.name, dryRun: options.dryRun };
  let check: Admission | undefined;
  let done = false;
  try {
    const first = await guaranteedUpdate(registry, {
      ...target,
      decide: async (current) => {
        if (!current) throw notFound(subjectOf(scope));
        const before = current.object as KubeObject;
        checkPreconditions(scope, options, before);
        await check?.finish(false);
        check = admission(registry, scope, { operation: 'DELETE', object: undefined, oldObject: before, name: info.name, options });
        await check.admit();
        await check.validate();
        return decide(registry, scope, options, before);
      },
    });
    done = true;
    const entry = first.entry as Entry;
    if (first.outcome === 'deleted') return { entry, gone: true };
    if (!isGraceful(scope) || lingers(entry.object as KubeObject)) return { entry, gone: false };
    return await removeMarked(registry, scope, { entry, dryRun: options.dryRun });
  } finally {
    await check?.finish(done && !options.dryRun);
  }
}

/** Nothing keeps the object any more: removes it, unless somebody else has, or has given it a finalizer meanwhile. */
async function removeMarked(registry: Registry, scope: RequestScope, marked: { entry: Entry; dryRun: boolean }): Promise<DeleteResult> {
  const { kind, info } = scope;
  const { entry, dryRun } = marked;
  if (dryRun) return { entry, gone: true };
  const uid = (entry.object as KubeObject).metadata?.uid;
  const second = await guaranteedUpdate(registry, {
    kind,
    namespace: kind.namespaced ? info.namespace : '',
    name: info.name,
    dryRun,
    decide: (current) => {
      const object = current?.object as KubeObject | undefined;
      if (!object || object.metadata?.uid !== uid || lingers(object)) return { action: 'keep' };
      return { action: 'delete' };
    },
  });
  return { entry: second.entry ?? entry, gone: second.outcome === 'deleted' || second.entry === undefined };
}
