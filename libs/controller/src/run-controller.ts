import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, type Informer, type InformerFactory, type InformerSelection, type EventRecorder, createWorkQueue, deepEqual, keyOf } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { type Env, latencyBuckets } from '@orrery/runtime';
import type { AnyController, ControllerContext } from './definition.ts';
import { createExpectations } from './expectations.ts';
import { createRate } from './rate.ts';
import { byControllerUid, controllerOf, controllerUidIndexer, refersTo } from './owners.ts';

export interface ControllerDeps {
  readonly env: Env;
  readonly api: ApiClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
}

export interface RunningController {
  readonly name: string;
  /** Begins to work; call it once the informers are synced. */
  start(): void;
  /** Takes no more keys and waits for those being worked on. */
  stop(): Promise<void>;
  /** True when nothing waits and nothing is being worked on. */
  idle(): boolean;
}

type Context = ControllerContext<unknown>;
type Handlers = Parameters<Informer<KubeObject>['addHandlers']>[0];

/** Dependents: settle the expectations of their owner and enqueue it; orphans enqueue who may adopt them. */
function ownedHandlers(definition: AnyController, owners: Informer<KubeObject> | undefined, context: Context, enqueue: (key: string) => void): Handlers {
  const ownerKey = (object: KubeObject): string | undefined => {
    const ref = controllerOf(object);
    if (!ref || !owners || !definition.for || !refersTo(ref, definition.for)) return undefined;
    const key = object.metadata?.namespace && definition.for.namespaced ? `${object.metadata.namespace}/${ref.name}` : ref.name;
    return owners.get(key)?.metadata?.uid === ref.uid ? key : undefined;
  };
  const touch = (object: KubeObject): string | undefined => {
    const key = ownerKey(object);
    if (key !== undefined) enqueue(key);
    else if (!controllerOf(object) && definition.adopters) for (const adopter of definition.adopters(object, context)) enqueue(adopter);
    return key;
  };
  const deleted = (key: string | undefined, object: KubeObject): void => {
    if (key !== undefined) context.expectations.deletionObserved(key, object.metadata?.uid ?? '');
  };
  return {
    add(object) {
      const key = touch(object);
      if (key === undefined) return;
      if (object.metadata?.deletionTimestamp) deleted(key, object);
      else context.expectations.creationObserved(key);
    },
    update(object, old) {
      const before = sameOwner(object, old) ? undefined : ownerKey(old);
      const key = touch(object);
      if (before !== undefined && before !== key) enqueue(before);
      if (object.metadata?.deletionTimestamp) deleted(key, object);
    },
    delete: (object) => deleted(touch(object), object),
  };
}

function sameOwner(a: KubeObject, b: KubeObject): boolean {
  return a.metadata?.ownerReferences === b.metadata?.ownerReferences || controllerOf(a)?.uid === controllerOf(b)?.uid;
}

/** An object that changed in nothing but its status, if it has a generation to tell that by. */
function asksTheSame({ metadata: now = {} }: KubeObject, { metadata: old = {} }: KubeObject): boolean {
  if (now.generation === undefined || now.generation !== old.generation || now.uid !== old.uid || now.deletionTimestamp !== old.deletionTimestamp) return false;
  return deepEqual([now.labels, now.annotations, now.finalizers, now.ownerReferences], [old.labels, old.annotations, old.finalizers, old.ownerReferences]);
}

/** Wires a controller to its caches and works off its queue. */
export function runController(definition: AnyController, deps: ControllerDeps): RunningController {
  const { env, api, events, informers } = deps;
  const { name, concurrency = 5 } = definition;
  const queue = createWorkQueue<string>(env, { name: definition.queue ?? name });
  const log = env.log.child({ controller: name });
  const labels = { controller: name };
  const took = env.metrics.histogram('controller_reconcile_duration_seconds', 'How long a reconcile takes, by controller.', latencyBuckets);
  const tookHere = took.with(labels);
  const failed = env.metrics.counter('controller_reconcile_errors_total', 'Reconciles that failed, by controller.');
  const subscriptions: { remove(): void }[] = [];
  const idleWaiters: (() => void)[] = [];
  let active = 0;
  let running = false;
  let stopped = false;

  const base = {
    env: { ...env, log },
    api,
    events,
    expectations: createExpectations(env.clock),
    store: <T extends KubeObject>(resource: ResourceRef<T>, selection?: InformerSelection) => informers.informer(resource, selection),
    enqueue: (key: string) => queue.add(key),
    enqueueAfter: (key: string, delayMs: number) => queue.addAfter(key, delayMs),
  };
  const owners = definition.for && base.store(definition.for);
  for (const resource of definition.owns ?? []) informers.informer(resource, { indexers: { [byControllerUid]: controllerUidIndexer } });
  const context: Context = { ...base, state: definition.setup?.(base) };
  const changes = createRate(env.clock);
  const enqueue = (key: string, asked = false): void => {
    const delayMs = definition.coalesceMs?.(key, context, { asked, perSecond: changes.count() }) ?? 0;
    if (delayMs > 0) queue.addAfter(key, delayMs);
    else queue.add(key);
  };

  const work = async (key: string): Promise<void> => {
    const startedMs = env.clock.monotonic();
    try {
      const result = await definition.reconcile(key, context);
      queue.forget(key);
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      if (log.isDebugging?.()) log.debug('reconciled', { key, tookMs: env.clock.monotonic() - startedMs, ...result });
    } catch (error) {
      failed.inc(labels);
      const usual = error instanceof StatusError && (error.code === 409 || error.code === 404 || error.code === 503);
      log[usual ? 'debug' : 'warn']('reconcile failed, will retry', { key, retries: queue.retries(key), error: error instanceof StatusError ? error.message : error });
      queue.addRateLimited(key);
    } finally {
      tookHere.observe((env.clock.monotonic() - startedMs) / 1000);
      queue.done(key);
      active--;
    }
    pump();
  };
  const pump = (): void => {
    while (running && active < concurrency) {
      const key = queue.take();
      if (key === undefined) break;
      active++;
      void work(key);
    }
    if (active === 0) for (const resolve of idleWaiters.splice(0)) resolve();
  };
  const ownHandlers: Handlers = {
    add: (object) => enqueue(keyOf(object), true),
    update: (object, old) => enqueue(keyOf(object), !asksTheSame(object, old)),
    delete: (object) => {
      base.expectations.forget(keyOf(object));
      enqueue(keyOf(object), true);
    },
  };
  const subscribe = (): void => {
    for (const key of definition.initialKeys ?? []) queue.add(key);
    if (owners) subscriptions.push(owners.addHandlers(ownHandlers));
    for (const resource of definition.owns ?? []) subscriptions.push(base.store(resource).addHandlers(ownedHandlers(definition, owners, context, enqueue)));
    for (const { resource, keys } of definition.watches ?? []) {
      const each = (object: KubeObject, old: KubeObject | undefined, gone: boolean): void => {
        for (const key of keys({ object, old, gone }, context)) enqueue(key);
      };
      const handlers: Handlers = {
        add: (object) => each(object, undefined, false),
        update: (object, old) => each(object, old, false),
        delete: (object) => each(object, undefined, true),
      };
      subscriptions.push(base.store(resource).addHandlers(handlers));
    }
  };
  for (const { resource } of definition.watches ?? []) base.store(resource);
  queue.onReady(() => {
    if (running && active < concurrency) queueMicrotask(pump);
  });
  return {
    name,
    start() {
      if (running || stopped) return;
      running = true;
      subscribe();
      pump();
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      running = false;
      queue.shutDown();
      for (const subscription of subscriptions.splice(0)) subscription.remove();
      if (active > 0) await new Promise<void>((resolve) => idleWaiters.push(resolve));
      definition.dispose?.(context);
    },
    idle: () => active === 0 && queue.length === 0,
  };
}
