import { type Event, type KeyValue, Event_EventType } from '@orrery/proto/etcd';
import { MvccError } from './errors.ts';
import { type KeyRange, contains, keyOf } from './keys.ts';
import type { MvccState } from './state.ts';
import type { StoredKv } from './stored-kv.ts';
import { WatcherIndex } from './watcher-index.ts';

export interface WatchSpec {
  readonly range: KeyRange;
  /** First revision of interest; 0 is the next one. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
}

/** Events queued for a watcher that is not read before it is sent back to reading the log. */
const maxQueued = 4096;

/** What a watcher has for its reader. Events of one revision are never split over two batches. */
export interface WatchBatch {
  readonly events: readonly Event[];
  /** Every event up to this revision was delivered with this batch or before. */
  readonly upTo: number;
  /** The history the watcher still needed is gone; the watcher is closed. */
  readonly compactRevision?: number;
}

/**
 * One watcher. In step it gets events pushed into its queue; behind (a start in the past, or a slow reader) it reads the
 * log when it is taken from. So a slow reader costs a bounded queue, never the history.
 */
export interface Watcher {
  readonly spec: WatchSpec;
  /** Called when there may be something to take; not again until it was taken. */
  readonly wake: () => void;
  queue: Event[];
  /** False while it reads the log. */
  inStep: boolean;
  /** The next revision to look at. In step: only later events are of interest. */
  next: number;
  awake: boolean;
}

/** Fans committed versions out to watchers and lets watchers catch up from the log. */
export class WatchHub {
  private readonly state: MvccState;
  private readonly index = new WatcherIndex<Watcher>();
  /** Watchers that are open. */
  watchers = 0;

  constructor(state: MvccState) {
    this.state = state;
  }

  /** Starts a watcher. Throws `emptyWatchRange` for a range that can hold no key. */
  open(spec: WatchSpec, wake: () => void): Watcher {
    if (spec.range.start >= spec.range.end) throw new MvccError('emptyWatchRange');
    const { revision } = this.state;
    const next = spec.startRevision > 0 ? spec.startRevision : revision + 1;
    const watcher: Watcher = { spec, wake, queue: [], inStep: next > revision, next, awake: false };
    this.watchers += 1;
    if (watcher.inStep) this.index.add(spec.range, watcher);
    else rouse(watcher);
    return watcher;
  }

  close(watcher: Watcher): void {
    this.watchers -= 1;
    if (watcher.inStep) this.index.remove(watcher.spec.range, watcher);
    watcher.queue = [];
    watcher.inStep = false;
  }

  /** Hands out what one transaction wrote. To be called for every transaction, in order. */
  publish(written: readonly StoredKv[]): void {
    if (this.index.size === 0) return;
    const full = new Set<Watcher>();
    for (const kv of written) {
      let plain: Event | undefined;
      let withPrevious: Event | undefined;
      this.index.forEachMatch(keyOf(kv.key), (watcher) => {
        if (!wants(watcher, kv)) return;
        if (watcher.spec.prevKv) watcher.queue.push((withPrevious ??= this.event(kv, true)));
        else watcher.queue.push((plain ??= this.event(kv, false)));
        if (watcher.queue.length > maxQueued) full.add(watcher);
        rouse(watcher);
      });
    }
    for (const watcher of full) this.sendBack(watcher);
  }

  /** Drops the queue of a slow reader: it goes on from the log, at the first event it has not read. */
  private sendBack(watcher: Watcher): void {
    this.index.remove(watcher.spec.range, watcher);
    watcher.inStep = false;
    watcher.next = watcher.queue[0]?.kv?.modRevision ?? watcher.next;
    watcher.queue = [];
  }

  /** The revision up to which the reader of `watcher` has seen everything. */
  seen(watcher: Watcher): number {
    if (!watcher.inStep) return watcher.next - 1;
    const first = watcher.queue[0]?.kv?.modRevision;
    return first === undefined ? this.state.revision : first - 1;
  }

  /**
   * Takes what is there, about `maxEvents` when reading the log. With nothing of interest the batch is empty.
   * A watcher that still has more wakes again.
   */
  take(watcher: Watcher, maxEvents: number): WatchBatch {
    watcher.awake = false;
    if (!watcher.inStep) return this.catchUp(watcher, maxEvents);
    const events = watcher.queue;
    watcher.queue = [];
    return { events, upTo: this.state.revision };
  }

  private catchUp(watcher: Watcher, maxEvents: number): WatchBatch {
    const { state } = this;
    if (watcher.next < state.compactRevision) {
      return { events: [], upTo: watcher.next - 1, compactRevision: state.compactRevision };
    }
    const { log } = state;
    const events: Event[] = [];
    const scanBudget = Math.max(16 * maxEvents, 65_536);
    const first = log.seek(watcher.next);
    for (let i = first; i < log.length; i++) {
      const kv = log.at(i);
      const fresh = i === first || log.at(i - 1).modRevision !== kv.modRevision;
      if (fresh && (events.length >= maxEvents || i - first >= scanBudget)) {
        watcher.next = kv.modRevision;
        rouse(watcher);
        return { events, upTo: kv.modRevision - 1 };
      }
      if (contains(watcher.spec.range, keyOf(kv.key)) && wants(watcher, kv)) events.push(this.event(kv, watcher.spec.prevKv));
    }
    watcher.next = state.revision + 1;
    watcher.inStep = true;
    this.index.add(watcher.spec.range, watcher);
    return { events, upTo: state.revision };
  }

  private event(kv: StoredKv, prevKv: boolean): Event {
    const type = kv.version > 0 ? Event_EventType.PUT : Event_EventType.DELETE;
    const previous = prevKv ? this.state.previous(kv) : undefined;
    return previous ? { type, kv: viewed(kv), prevKv: viewed(previous) } : { type, kv: viewed(kv) };
  }
}

function wants({ spec, next }: Watcher, kv: StoredKv): boolean {
  return kv.modRevision >= next && !(kv.version > 0 ? spec.noPut : spec.noDelete);
}

/** An event goes to many watchers: the views of its key and value are made once. */
function viewed({ key, createRevision, modRevision, version, value, lease }: StoredKv): KeyValue {
  return { key, createRevision, modRevision, version, value, lease };
}

function rouse(watcher: Watcher): void {
  if (watcher.awake) return;
  watcher.awake = true;
  watcher.wake();
}
