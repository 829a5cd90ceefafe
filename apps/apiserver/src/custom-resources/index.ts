import { type ConversionWebhook, CustomResourceDefinitions, type KindDescriptor, compareVersions, customKinds, isEstablished, isTerminating, storageKind } from '@orrery/api';
import type { CustomResourceDefinition } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { isConflict, isNotFound } from '@orrery/errors';
import type { Caller } from '../admission/webhooks/caller.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { PluginSet } from '../pipeline/plugin-set.ts';
import type { Kinds } from '../registry/kinds.ts';
import type { Registry } from '../registry/registry.ts';
import { awaitsCleanup, cleanUp } from './cleanup.ts';
import { conversionWebhook } from './conversion-webhook.ts';
import { plannedStatus } from './names.ts';

const retryMs = 1_000;

interface Served {
  definition: CustomResourceDefinition;
  readonly cache: ResourceCache;
  readonly stop: () => void;
  isLoaded: boolean;
  kinds: readonly KindDescriptor[];
}

interface Setup {
  readonly registry: Registry;
  readonly kinds: Kinds;
  readonly api: ApiClient;
  /** Reaches conversion webhooks. */
  readonly caller: Caller;
}

const nameOf = (definition: CustomResourceDefinition): string => definition.metadata?.name ?? '';

/** What the served kinds are made of. */
function sameShape(a: CustomResourceDefinition, b: CustomResourceDefinition): boolean {
  return deepEqual(a.spec, b.spec) && deepEqual(a.status?.acceptedNames, b.status?.acceptedNames) && isTerminating(a) === isTerminating(b);
}

function byPreference(a: KindDescriptor, b: KindDescriptor): number {
  if (a.group !== b.group) return a.group < b.group ? -1 : 1;
  return compareVersions(a.version, b.version);
}

/**
 * Serves what CustomResourceDefinitions define, as the watch cache tells of them, so that all replicas agree; accepts
 * their names and cleans up after those deleted.
 */
class CustomResources {
  private readonly setup: Setup;
  private readonly served = new Map<string, Served>();
  private readonly due = new Set<string>();
  /** Definitions on their way out, and whether they changed meanwhile. */
  private readonly cleaning = new Map<string, boolean>();
  private readonly retrying = new Set<string>();
  private working: Promise<void> | undefined;
  private signal: AbortSignal | undefined;
  private readonly webhook: ConversionWebhook;

  constructor(setup: Setup) {
    this.setup = setup;
    this.webhook = conversionWebhook(setup.registry.env, setup.caller);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    const cache = this.definitionCache();
    const stop = cache.listen((change) => {
      this.refresh();
      this.wake((change.current ?? change.previous)?.name ?? '');
    });
    signal.addEventListener('abort', stop, { once: true });
    await Promise.all(this.definitions().map((definition) => this.loadAndServe(definition)));
    this.refresh();
    for (const definition of this.definitions()) this.wake(nameOf(definition));
  }

  private definitionCache(): ResourceCache {
    const { kinds, registry } = this.setup;
    return registry.feed.cache(kinds.kept('apiextensions.k8s.io', 'v1', 'customresourcedefinitions') as KindDescriptor);
  }

  private definitions(): CustomResourceDefinition[] {
    return this.definitionCache().list({ namespace: '' }).map((entry) => entry.object as CustomResourceDefinition);
  }

  /** False: the resource is built in, and the definition makes no difference; or nothing is stored by it. */
  private isOurs({ spec }: CustomResourceDefinition): boolean {
    return spec?.versions?.some(({ storage }) => storage) === true && !this.setup.kinds.isBuiltIn(spec.group, spec.names.plural);
  }

  private storageOf(definition: CustomResourceDefinition): KindDescriptor | undefined {
    return this.isOurs(definition) ? storageKind(definition, this.webhook) : undefined;
  }

  /** Fills the cache of the instances before anybody may ask for them. */
  private async prepare(definition: CustomResourceDefinition): Promise<void> {
    const { registry } = this.setup;
    const kind = this.served.has(nameOf(definition)) ? undefined : this.storageOf(definition);
    if (!kind) return;
    const cache = registry.feed.add(kind);
    const stop = cache.listen((change) => {
      if (!change.current && cache.size === 0) this.wake(nameOf(definition));
    });
    const served: Served = { definition, cache, stop, isLoaded: false, kinds: customKinds(definition, this.webhook) };
    this.served.set(nameOf(definition), served);
    await registry.feed.load(cache);
    served.isLoaded = true;
  }

  private async loadAndServe(definition: CustomResourceDefinition): Promise<void> {
    try {
      await this.prepare(definition);
      this.refresh();
      this.wake(nameOf(definition));
    } catch (error) {
      this.setup.registry.env.log.warn('custom resources cannot be listed; retrying', { name: nameOf(definition), error });
      this.drop(nameOf(definition));
      this.later(() => this.refresh());
    }
  }

  /** Brings what is served in line with the definitions, before anybody else hears of their change. */
  private refresh(): void {
    const { kinds } = this.setup;
    const definitions = new Map(this.definitions().map((definition) => [nameOf(definition), definition]));
    for (const name of [...this.served.keys()]) if (!definitions.has(name)) this.drop(name);
    const wanted: KindDescriptor[] = [];
    for (const [name, definition] of definitions) {
      const served = this.served.get(name);
      if (!served) {
        if (this.isOurs(definition)) void this.loadAndServe(definition);
        continue;
      }
      if (!sameShape(served.definition, definition)) {
        this.reshape(served, definition);
      }
      served.definition = definition;
      if (served.isLoaded && isEstablished(definition)) wanted.push(...served.kinds);
    }
    const current = kinds.custom;
    const next = wanted.sort(byPreference);
    if (next.length !== current.length || next.some((kind, i) => kind !== current[i])) kinds.serveCustom(next);
  }

  /** Within the cache's callback, so whatever is wrong with a definition (of another server) must end here. */
  private reshape(served: Served, definition: CustomResourceDefinition): void {
    try {
      served.kinds = customKinds(definition, this.webhook);
      const storage = this.storageOf(definition);
      if (storage) served.cache.adopt(storage, this.setup.registry.feed.revision);
    } catch (error) {
      this.setup.registry.env.log.error('custom resource definition cannot be served as it is; it is served as it was', { name: nameOf(definition), error });
    }
  }

  private drop(name: string): void {
    const served = this.served.get(name);
    if (!served) return;
    served.stop();
    this.served.delete(name);
    this.setup.registry.feed.remove(served.cache);
  }

  private wake(name: string): void {
    this.due.add(name);
    this.working ??= this.work().finally(() => {
      this.working = undefined;
      if (this.due.size) this.wake([...this.due][0] ?? '');
    });
  }

  private later(then: () => void): void {
    const timer = this.setup.registry.env.clock.after(retryMs, then);
    this.signal?.addEventListener('abort', () => timer.cancel(), { once: true });
  }

  private retry(name: string): void {
    if (this.retrying.has(name)) return;
    this.retrying.add(name);
    this.later(() => {
      this.retrying.delete(name);
      this.wake(name);
    });
  }

  private async work(): Promise<void> {
    // Not within the callback that told of the change: whoever else listens hears of it first.
    await Promise.resolve();
    for (const name of this.due) {
      this.due.delete(name);
      if (this.signal?.aborted) return;
      await this.reconcile(name).catch((error: unknown) => this.failed(name, error));
    }
  }

  private failed(name: string, error: unknown): void {
    // Another replica was faster; its change comes by and wakes us.
    if (isConflict(error) || isNotFound(error)) return;
    this.setup.registry.env.log.warn('custom resource definition cannot be brought up to date; retrying', { name, error });
    this.retry(name);
  }

  /** Nobody waits for an end: it may be held up by a conversion webhook. What changes meanwhile is looked at afterwards. */
  private clean(definition: CustomResourceDefinition): void {
    const { api, registry } = this.setup;
    const name = nameOf(definition);
    if (this.cleaning.has(name)) return void this.cleaning.set(name, true);
    this.cleaning.set(name, false);
    void cleanUp({ registry, api, kind: this.storageOf(definition) }, definition)
      .then((isDone) => void (isDone || this.retry(name)))
      .catch((error: unknown) => this.failed(name, error))
      .finally(() => {
        const isChanged = this.cleaning.get(name);
        this.cleaning.delete(name);
        if (isChanged) this.wake(name);
      });
  }

  private async reconcile(name: string): Promise<void> {
    const { api, registry } = this.setup;
    const definitions = this.definitions();
    const definition = definitions.find((one) => nameOf(one) === name);
    if (!definition) {
      // Its names are free for others.
      for (const other of definitions) if (plannedStatus(other, definitions, registry.env.clock.now())) this.due.add(nameOf(other));
      return;
    }
    if (awaitsCleanup(definition)) return this.clean(definition);
    if (definition.metadata?.deletionTimestamp) return;
    const status = plannedStatus(definition, definitions, registry.env.clock.now());
    if (!status) return;
    // Served the moment it says so: what fills the cache wakes us again.
    if (this.isOurs(definition) && !this.served.get(name)?.isLoaded) return;
    await api.update(CustomResourceDefinitions, { ...definition, status } as CustomResourceDefinition, { subresource: 'status' });
  }
}

export function customResources(setup: Setup): PluginSet {
  const resources = new CustomResources(setup);
  return { startHooks: ['start-apiextensions-controllers', 'crd-informer-synced'], start: (signal) => resources.start(signal) };
}
