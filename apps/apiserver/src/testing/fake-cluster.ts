import { type KindDescriptor, allKinds } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { alreadyExists, modifiedConflict, notFound } from '@orrery/errors';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import type { EtcdStore } from '../storage/etcd-store.ts';
import { type AdmissionAttributes, type Authorizer, type ObjectReader, Rounds, type UserInfo } from '../pipeline/index.ts';

type Listener = (change: { object: KubeObject | undefined; old: KubeObject | undefined }) => void;

const idOf = (ref: ResourceRef): string => `${ref.group}/${ref.resource}`;
const keyOf = (key: { namespace?: string; name?: string }): string => `${key.namespace ?? ''}/${key.name ?? ''}`;

/** A store of objects that plug-ins read and write in tests: no pipeline, no defaults, no network. */
export class FakeCluster {
  readonly clock = new VirtualClock();
  readonly env = { clock: this.clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  writes = 0;
  /** Plug-ins tested here have objects only: what they would keep beside them is tested with a real store. */
  readonly storage = { store: undefined as unknown as EtcdStore, root: '/registry' };
  private readonly objects = new Map<string, Map<string, KubeObject>>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private revision = 0;

  /** Puts an object as it is, as if it had been there before. */
  put<T extends KubeObject>(ref: ResourceRef<T>, object: T): T {
    const stored = { ...object, metadata: { uid: `uid-${object.metadata?.name ?? ''}`, ...object.metadata, resourceVersion: String(++this.revision) } } as T;
    const all = this.objects.get(idOf(ref)) ?? new Map<string, KubeObject>();
    this.objects.set(idOf(ref), all);
    const old = all.get(keyOf(stored.metadata ?? {}));
    all.set(keyOf(stored.metadata ?? {}), stored);
    for (const listener of this.listeners.get(idOf(ref)) ?? []) listener({ object: stored, old });
    return stored;
  }

  remove(ref: ResourceRef, key: { namespace?: string; name: string }): void {
    const old = this.objects.get(idOf(ref))?.get(keyOf(key));
    this.objects.get(idOf(ref))?.delete(keyOf(key));
    for (const listener of this.listeners.get(idOf(ref)) ?? []) listener({ object: undefined, old });
  }

  readonly read: ObjectReader = {
    get: <T extends KubeObject>(ref: ResourceRef<T>, key: { namespace?: string; name: string }) => this.objects.get(idOf(ref))?.get(keyOf(key)) as T | undefined,
    list: <T extends KubeObject>(ref: ResourceRef<T>, namespace = '') =>
      [...(this.objects.get(idOf(ref))?.values() ?? [])].filter((object) => !namespace || object.metadata?.namespace === namespace) as T[],
    onChange: (ref, listener) => {
      const set = this.listeners.get(idOf(ref)) ?? new Set<Listener>();
      this.listeners.set(idOf(ref), set.add(listener as Listener));
      return () => void set.delete(listener as Listener);
    },
  };

  readonly api = {
    get: async <T extends KubeObject>(ref: ResourceRef<T>, key: { namespace?: string; name: string }): Promise<T> => {
      const found = this.read.get(ref, key);
      if (!found) throw notFound({ group: ref.group, resource: ref.resource, name: key.name });
      return found;
    },
    create: async <T extends KubeObject>(ref: ResourceRef<T>, object: T): Promise<T> => {
      this.writes++;
      if (this.read.get(ref, object.metadata as { name: string })) throw alreadyExists({ group: ref.group, resource: ref.resource, name: object.metadata?.name ?? '' });
      return this.put(ref, object);
    },
    update: async <T extends KubeObject>(ref: ResourceRef<T>, object: T): Promise<T> => {
      this.writes++;
      const current = await this.api.get(ref, object.metadata as { name: string });
      if (current.metadata?.resourceVersion !== object.metadata?.resourceVersion) throw modifiedConflict({ group: ref.group, resource: ref.resource, name: object.metadata?.name ?? '' });
      return this.put(ref, object);
    },
    delete: async (ref: ResourceRef, key: { namespace?: string; name: string }): Promise<undefined> => {
      this.writes++;
      await this.api.get(ref, key);
      this.remove(ref, key);
      return undefined;
    },
  } as unknown as ApiClient & Pick<ApiClient, 'get'>;
}

export const allowAll: Authorizer['authorize'] = () => ({ decision: 'allow', reason: '' });
export const allowNothing: Authorizer['authorize'] = () => ({ decision: 'noOpinion', reason: '' });

export function kindOf(resource: string, group = ''): KindDescriptor {
  const kind = allKinds.find((one) => one.resource === resource && one.group === group);
  if (!kind) throw new Error(`no kind ${resource}.${group}`);
  return kind;
}

export interface Attempt {
  readonly resource: string;
  readonly group?: string;
  readonly operation?: AdmissionAttributes['operation'];
  readonly subresource?: string;
  readonly object?: any;
  readonly oldObject?: any;
  readonly user?: UserInfo;
  readonly dryRun?: boolean;
}

/** A write as admission sees it; `warnings` collects what plug-ins warn of. */
export function attempt(options: Attempt): AdmissionAttributes & { readonly warnings: string[]; finish(committed: boolean): Promise<void> } {
  const kind = kindOf(options.resource, options.group);
  const { metadata = {} } = (options.object ?? options.oldObject ?? {}) as KubeObject;
  const warnings: string[] = [];
  const finishers: ((committed: boolean) => void | Promise<void>)[] = [];
  return {
    user: options.user ?? { username: 'alice', groups: ['system:authenticated'] },
    operation: options.operation ?? 'CREATE',
    kind,
    objectKind: kind,
    subresource: options.subresource ?? '',
    namespace: kind.namespaced ? (metadata.namespace ?? 'default') : '',
    name: metadata.name ?? '',
    object: options.object,
    oldObject: options.oldObject,
    dryRun: options.dryRun ?? false,
    options: {},
    reinvocation: new Rounds(),
    warn: (text) => void warnings.push(text),
    annotate: () => undefined,
    onFinish: (fn) => void finishers.push(fn),
    warnings,
    async finish(committed) {
      for (const fn of finishers) await fn(committed);
    },
  };
}
