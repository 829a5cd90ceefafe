import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, type Informer, createInformer } from '@orrery/client';
import { type Env, timeoutSignal } from '@orrery/runtime';

/** A reference to one object; ends with `release`. */
export interface ObjectHandle<T> {
  /** The object as last seen, undefined when it does not exist. Waits for the first answer; throws when there is none in time. */
  get(): Promise<T | undefined>;
  release(): void;
}

interface Entry<T extends KubeObject> {
  readonly informer: Informer<T>;
  readonly listeners: Set<() => void>;
}

const firstAnswerMs = 1_000;

/**
 * Objects watched one by one for as long as some pod refers to them, as a node may read only what its pods name. Many
 * kubelets in one process may share one cache.
 */
export class ObjectCache<T extends KubeObject> {
  private readonly entries = new Map<string, Entry<T>>();
  private readonly env: Env;
  private readonly api: ApiClient;
  private readonly resource: ResourceRef<T>;

  constructor(env: Env, options: { api: ApiClient; resource: ResourceRef<T> }) {
    this.env = env;
    this.api = options.api;
    this.resource = options.resource;
  }

  /** Begins to watch the object; `changed` is called after every change that follows the first answer. */
  acquire(key: { namespace: string; name: string }, changed: () => void): ObjectHandle<T> {
    const id = `${key.namespace}/${key.name}`;
    const entry = this.entries.get(id) ?? this.open(id, key);
    entry.listeners.add(changed);
    const { informer } = entry;
    return {
      get: () => (informer.synced() ? Promise.resolve(informer.get(id)) : this.synced(informer, key.name).then(() => informer.get(id))),
      release: () => {
        entry.listeners.delete(changed);
        if (entry.listeners.size > 0 || this.entries.get(id) !== entry) return;
        this.entries.delete(id);
        informer.stop();
      },
    };
  }

  stop(): void {
    for (const { informer } of this.entries.values()) informer.stop();
    this.entries.clear();
  }

  private async synced(informer: Informer<T>, name: string): Promise<void> {
    const limit = new AbortController();
    try {
      await informer.whenSynced(timeoutSignal(this.env.clock, firstAnswerMs, limit.signal));
    } catch {
      throw new Error(`failed to sync ${this.resource.kind.toLowerCase()} cache: timed out waiting for ${name}`);
    } finally {
      limit.abort(new Error('done'));
    }
  }

  private open(id: string, { namespace, name }: { namespace: string; name: string }): Entry<T> {
    const informer = createInformer(this.api, this.resource, { env: this.env, namespace, fieldSelector: `metadata.name=${name}` });
    const entry: Entry<T> = { informer, listeners: new Set() };
    this.entries.set(id, entry);
    const notify = (): void => {
      if (informer.synced()) for (const changed of [...entry.listeners]) changed();
    };
    informer.addHandlers({ add: notify, update: notify, delete: notify });
    informer.start();
    return entry;
  }
}
