import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { Env } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';
import { type Informer, type InformerOptions, type InformerSelection, createInformer } from './informer.ts';
import { resourceKey } from './keys.ts';

/** Informers shared by everything in one process: one list and watch for each resource and selection. */
export interface InformerFactory {
  /** The shared informer; indexers are added to it. Started at once when the factory runs. Never call its `stop`. */
  informer<T extends KubeObject>(resource: ResourceRef<T>, options?: InformerSelection & Pick<InformerOptions<T>, 'indexers'>): Informer<T>;
  start(): void;
  /** Resolves when every informer asked for so far has its first list. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  synced(): boolean;
  stop(): void;
}

const none = {};

export function createInformerFactory(options: { api: ApiClient; env: Pick<Env, 'clock' | 'random' | 'log'> }): InformerFactory {
  const informers = new Map<string, Informer<KubeObject>>();
  /** Those of whole resources, which are asked for at every event. */
  const whole = new WeakMap<ResourceRef, Informer<KubeObject>>();
  let running = false;
  return {
    informer<T extends KubeObject>(resource: ResourceRef<T>, wanted: InformerSelection & Pick<InformerOptions<T>, 'indexers'> = none): Informer<T> {
      const known = wanted === none && running ? whole.get(resource) : undefined;
      if (known) return known as unknown as Informer<T>;
      const { indexers = {}, ...selection } = wanted;
      const key = `${resourceKey(resource)}|${selection.namespace ?? ''}|${selection.labelSelector ?? ''}|${selection.fieldSelector ?? ''}`;
      let found = informers.get(key) as Informer<T> | undefined;
      if (!found) {
        found = createInformer(options.api, resource, { env: options.env, ...selection });
        informers.set(key, found as unknown as Informer<KubeObject>);
      }
      for (const [name, indexer] of Object.entries(indexers)) found.addIndexer(name, indexer);
      if (running) found.start();
      if (wanted === none) whole.set(resource, found as unknown as Informer<KubeObject>);
      return found;
    },
    start() {
      running = true;
      for (const informer of informers.values()) informer.start();
    },
    async whenSynced(signal) {
      await Promise.all([...informers.values()].map((informer) => informer.whenSynced(signal)));
    },
    synced: () => [...informers.values()].every((informer) => informer.synced()),
    stop() {
      running = false;
      for (const informer of informers.values()) informer.stop();
    },
  };
}
