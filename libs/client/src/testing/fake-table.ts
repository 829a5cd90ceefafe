import { type KubeObject, parseFieldSelector, parseLabelSelector } from '@orrery/apimachinery';
import { type StatusError, expired } from '@orrery/errors';
import type { WatchEvent, WatchHandle, WatchOptions, WatchSink } from '../api-client.ts';
import { keyOf } from '../keys.ts';

interface Change {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  readonly old: KubeObject | undefined;
}

export type Selection = (object: KubeObject) => boolean;

function fieldOf(object: KubeObject, path: string): string {
  let value: unknown = object;
  for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return value === undefined || value === null ? '' : String(value);
}

export function selectionOf(options: { namespace?: string; labelSelector?: string; fieldSelector?: string }): Selection {
  const labels = parseLabelSelector(options.labelSelector ?? '');
  const fields = parseFieldSelector(options.fieldSelector ?? '');
  const { namespace } = options;
  return (object) =>
    (!namespace || object.metadata?.namespace === namespace) &&
    labels.matches(object.metadata?.labels ?? {}) &&
    fields.requirements.every(({ field, operator, value }) => (fieldOf(object, field) === value) === (operator === '='));
}

interface Watcher {
  readonly selects: Selection;
  readonly sink: WatchSink<KubeObject>;
  queue: WatchEvent[];
  scheduled: boolean;
  stopped: boolean;
}

/** What a watch with this selection sees of a change: leaving the selection is DELETED, entering it ADDED. */
function eventFor(change: Change, selects: Selection): WatchEvent | undefined {
  const now = change.type !== 'DELETED' && selects(change.object);
  const before = change.old !== undefined && selects(change.old);
  if (now) return { type: before ? 'MODIFIED' : 'ADDED', object: change.object };
  return before ? { type: 'DELETED', object: change.object } : undefined;
}

/** The objects of one resource, their history and who watches them. Delivery is asynchronous and batched. */
export class FakeTable {
  readonly objects = new Map<string, KubeObject>();
  private history: Change[] = [];
  private compactedAt = 0;
  private readonly watchers = new Set<Watcher>();

  record(revision: number, type: Change['type'], object: KubeObject): void {
    const key = keyOf(object);
    const old = this.objects.get(key);
    if (type === 'DELETED') this.objects.delete(key);
    else this.objects.set(key, object);
    const change: Change = { revision, type, object, old };
    this.history.push(change);
    for (const watcher of this.watchers) this.offer(watcher, eventFor(change, watcher.selects));
  }

  watch(options: WatchOptions, sink: WatchSink<KubeObject>, current: () => number): WatchHandle {
    const watcher: Watcher = { selects: selectionOf(options), sink, queue: [], scheduled: false, stopped: false };
    const from = Number(options.resourceVersion ?? '0');
    if (from !== 0 && from < this.compactedAt) {
      queueMicrotask(() => {
        if (!watcher.stopped) sink.closed(expired(`too old resource version: ${from} (${this.compactedAt})`));
      });
      return { stop: () => (watcher.stopped = true) };
    }
    this.watchers.add(watcher);
    if (from === 0) {
      for (const object of this.objects.values()) if (watcher.selects(object)) this.offer(watcher, { type: 'ADDED', object });
      if (options.sendInitialEvents) {
        const annotations = { 'k8s.io/initial-events-end': 'true' };
        this.offer(watcher, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(current()), annotations } } });
      }
    } else for (const change of this.history) if (change.revision > from) this.offer(watcher, eventFor(change, watcher.selects));
    return {
      stop: () => {
        watcher.stopped = true;
        this.watchers.delete(watcher);
      },
    };
  }

  /** Forgets history: watches from before `revision` get 410. */
  compact(revision: number): void {
    this.compactedAt = revision;
    this.history = this.history.filter((change) => change.revision > revision);
  }

  bookmark(revision: number): void {
    for (const watcher of this.watchers) this.offer(watcher, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(revision) } } });
  }

  /** Ends every watch, as a restarting server does. */
  disconnect(error?: StatusError): void {
    for (const watcher of this.watchers) {
      watcher.stopped = true;
      watcher.sink.closed(error);
    }
    this.watchers.clear();
  }

  private offer(watcher: Watcher, event: WatchEvent | undefined): void {
    if (!event) return;
    watcher.queue.push(event);
    if (watcher.scheduled) return;
    watcher.scheduled = true;
    queueMicrotask(() => {
      watcher.scheduled = false;
      const batch = watcher.queue;
      watcher.queue = [];
      if (!watcher.stopped && batch.length) watcher.sink.events(batch);
    });
  }
}
