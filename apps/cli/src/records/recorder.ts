import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import type { Clock } from '@orrery/runtime';
import type { RecordedChange } from './record-format.ts';

/** The store's revision: one order of all changes of all resources. */
const revisionOf = (object: KubeObject): number => Number(object.metadata?.resourceVersion ?? 0);

/** Watches of different resources tell of one moment at different times; after so long they have. */
const settleMs = 300;
const retryMs = 500;

export interface RecorderOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  /** Takes changes in the order of the store's revisions. */
  readonly write: (change: RecordedChange) => void;
}

interface Waiting {
  readonly change: RecordedChange;
  readonly revision: number;
  readonly atMs: number;
}

/** Follows resources and writes down what happens to them. What is there when a resource is first followed is told as having been there at the beginning. */
export class Recorder {
  private readonly options: RecorderOptions;
  private readonly startedMs: number;
  private readonly followed = new Map<string, { stop(): void }>();
  private waiting: Waiting[] = [];
  private stopped = false;

  constructor(options: RecorderOptions) {
    this.options = options;
    this.startedMs = options.clock.monotonic();
  }

  follow(resource: ResourceRef): void {
    const key = `${resource.group}/${resource.resource}`;
    if (!this.followed.has(key)) this.watch(key, resource, { from: '', known: new Map() });
  }

  /** Writes what is old enough to be in order; all of it at the end. */
  flush(all = false): void {
    const before = this.options.clock.monotonic() - (all ? 0 : settleMs);
    const ready = this.waiting.filter(({ atMs }) => atMs <= before).sort((a, b) => a.revision - b.revision);
    this.waiting = this.waiting.filter(({ atMs }) => atMs > before);
    for (const { change } of ready) this.options.write(change);
  }

  stop(): void {
    this.stopped = true;
    for (const handle of this.followed.values()) handle.stop();
    this.flush(true);
  }

  private watch(key: string, resource: ResourceRef, state: { from: string; known: Map<string, string> }): void {
    const { api, clock } = this.options;
    const { known } = state;
    let isInitial = state.from === '' && known.size === 0;
    let last = state.from;
    const options = state.from ? { resourceVersion: state.from, allowWatchBookmarks: true } : { sendInitialEvents: true, allowWatchBookmarks: true };
    const handle = api.watch(resource, options, {
      events: (batch) => {
        for (const { type, object } of batch) {
          last = object.metadata?.resourceVersion ?? last;
          if (type === 'BOOKMARK') isInitial = false;
          else this.take(resource, { type, object, known, isInitial });
        }
      },
      closed: (error) => {
        if (this.stopped) return;
        const gone = error?.code === 404;
        if (gone) this.followed.delete(key);
        else clock.after(retryMs, () => !this.stopped && this.watch(key, resource, { from: error?.code === 410 ? '' : last, known }));
      },
    });
    this.followed.set(key, handle);
  }

  private take({ group, version, resource, kind, namespaced }: ResourceRef, seen: { type: RecordedChange['type']; object: KubeObject; known: Map<string, string>; isInitial: boolean }): void {
    const { type, object, known, isInitial } = seen;
    const { uid = '', resourceVersion = '' } = object.metadata ?? {};
    const before = known.get(uid);
    if (before === resourceVersion && type !== 'DELETED') return;
    known.set(uid, resourceVersion);
    const atMs = this.options.clock.monotonic();
    const ms = isInitial ? 0 : Math.max(1, Math.round(atMs - this.startedMs));
    const change: RecordedChange = { ms, type: type === 'ADDED' && before !== undefined ? 'MODIFIED' : type, resource: { group, version, resource, kind, namespaced }, object };
    this.waiting.push({ change, revision: revisionOf(object), atMs });
  }
}
