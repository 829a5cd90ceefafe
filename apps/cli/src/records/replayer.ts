import type { Pod } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { StatusError, hasReason } from '@orrery/errors';
import type { Clock } from '@orrery/runtime';
import { type RecordedChange, inReplayOrder, withoutServerFields } from './record-format.ts';

export interface ReplayOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  /** So many times as fast; Infinity: one after the other without waiting. */
  readonly speed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ReplayResult {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  /** What the cluster did not take: how often, by reason. */
  readonly refused: ReadonlyMap<string, number>;
}

/** A definition that was just made is served in a moment. */
const servedWithinMs = 10_000;
const askAgainMs = 100;
const attempts = 5;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const hasStatus = (object: KubeObject): boolean => Object.keys((object as { status?: object }).status ?? {}).length > 0;

class Replay {
  readonly result: Mutable<Omit<ReplayResult, 'refused'>> & { readonly refused: Map<string, number> } = { created: 0, updated: 0, deleted: 0, refused: new Map() };
  private readonly options: ReplayOptions;
  /** UIDs of the recording and of the objects made for them. */
  private readonly uids = new Map<string, string>();

  constructor(options: ReplayOptions) {
    this.options = options;
  }

  async apply({ type, resource, object }: RecordedChange): Promise<void> {
    try {
      if (type === 'DELETED') await this.remove(resource, object);
      else await this.put(resource, object);
    } catch (error) {
      if (!(error instanceof StatusError) || error.code >= 500) throw error;
      const why = `${type === 'DELETED' ? 'delete' : type === 'ADDED' ? 'create' : 'update'} ${resource.resource}: ${error.reason || error.code}`;
      this.result.refused.set(why, (this.result.refused.get(why) ?? 0) + 1);
    }
  }

  private async put(resource: ResourceRef, recorded: KubeObject): Promise<void> {
    const object = withoutServerFields(recorded, this.uids);
    let now: KubeObject;
    try {
      now = await this.created(resource, object);
      this.result.created++;
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      now = await this.updated(resource, object, undefined);
      this.result.updated++;
    }
    if (recorded.metadata?.uid) this.uids.set(recorded.metadata.uid, now.metadata?.uid ?? '');
    if (hasStatus(object)) await this.updated(resource, { ...now, status: (object as { status?: unknown }).status } as KubeObject, 'status').catch(withoutStatus);
  }

  private async created(resource: ResourceRef, object: KubeObject): Promise<KubeObject> {
    const { api, clock } = this.options;
    const end = clock.monotonic() + servedWithinMs;
    for (;;) {
      try {
        return await api.create(resource, object);
      } catch (error) {
        const notServedYet = error instanceof StatusError && error.code === 404 && resource.group.includes('.');
        if (!notServedYet || clock.monotonic() > end) throw error;
        await clock.sleep(askAgainMs);
      }
    }
  }

  /** Updates over whatever is there. */
  private async updated(resource: ResourceRef, object: KubeObject, subresource: string | undefined): Promise<KubeObject> {
    const { api } = this.options;
    const { namespace, name = '' } = object.metadata ?? {};
    for (let attempt = 1; ; attempt++) {
      const current = await this.bound(resource, object, await api.get(resource, { ...(namespace ? { namespace } : {}), name }));
      const { resourceVersion, uid } = current.metadata ?? {};
      try {
        return await api.update(resource, { ...object, metadata: { ...object.metadata, resourceVersion, uid } } as KubeObject, subresource ? { subresource } : {});
      } catch (error) {
        if (!hasReason(error, 'Conflict') || attempt === attempts) throw error;
      }
    }
  }

  /** A Pod gets its node by a binding, as from a scheduler; afterwards it says so. */
  private async bound(resource: ResourceRef, object: KubeObject, current: KubeObject): Promise<KubeObject> {
    if (resource.group !== '' || resource.resource !== 'pods') return current;
    const node = (object as Pod).spec?.nodeName;
    if (!node || (current as Pod).spec?.nodeName) return current;
    const { namespace = '', name = '' } = object.metadata ?? {};
    await this.options.api.createSubresource(resource, { namespace, name }, 'binding', { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace }, target: { apiVersion: 'v1', kind: 'Node', name: node } });
    return this.options.api.get(resource, { namespace, name });
  }

  private async remove(resource: ResourceRef, { metadata }: KubeObject): Promise<void> {
    const { namespace, name = '' } = metadata ?? {};
    await this.options.api.delete(resource, { ...(namespace ? { namespace } : {}), name }, { gracePeriodSeconds: 0 });
    this.result.deleted++;
  }
}

/** Of a kind that has no status of its own, it went with the object. */
function withoutStatus(error: unknown): undefined {
  if (error instanceof StatusError && (error.code === 404 || error.code === 405)) return undefined;
  throw error;
}

/** Brings about what was recorded, in its order and at its pace. What the cluster refuses is counted and does not end it; a cluster that fails does. */
export async function replay(changes: readonly RecordedChange[], options: ReplayOptions): Promise<ReplayResult> {
  const { clock, speed, signal, onProgress } = options;
  const ordered = inReplayOrder(changes);
  const run = new Replay(options);
  const startedMs = clock.monotonic();
  for (const [i, change] of ordered.entries()) {
    const waitMs = Number.isFinite(speed) ? change.ms / speed - (clock.monotonic() - startedMs) : 0;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    signal?.throwIfAborted();
    await run.apply(change);
    onProgress?.(i + 1, ordered.length);
  }
  return run.result;
}
