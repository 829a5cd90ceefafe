import { type Event, type WatchRequest, type WatchResponse, Event_EventType } from '@orrery/proto/etcd';
import { AsyncQueue } from '@orrery/rpc';
import type { SeenEvent, WatchRecord } from './history.ts';
import { bytes, seen } from './kv-client.ts';
import type { Lab } from './lab.ts';
import type { Host } from './network.ts';

const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

function seenEvent({ type, kv = {}, prevKv }: Event): SeenEvent {
  return { type: type === Event_EventType.DELETE ? 'delete' : 'put', kv: seen(kv as never), previous: prevKv && seen(prevKv) };
}

/** The stretch of one connection: until it breaks, or for the time it is kept. */
class Stretch {
  private readonly lab: Lab;
  private readonly watch: WatchRecord;
  private readonly requests = new AsyncQueue<WatchRequest>();
  private readonly controller = new AbortController();
  /** Where the next connection goes on. */
  next: number;

  constructor(lab: Lab, watch: WatchRecord, next: number) {
    this.lab = lab;
    this.watch = watch;
    this.next = next;
  }

  async run(host: Host): Promise<void> {
    const { lab, watch, requests } = this;
    const { machine, clients } = lab.connect(host);
    watch.notices.push({ at: lab.moment(), timeMs: lab.nowMs, kind: 'opened', member: machine.name, startRevision: this.next });
    const target = watch.key === undefined ? everything : { key: bytes(watch.key) };
    requests.push({ requestUnion: { $case: 'createRequest', value: { ...target, startRevision: this.next, prevKv: watch.withPrevious, progressNotify: true } } });
    const asking = lab.time.every(300 + lab.random.int(1500), () => requests.push({ requestUnion: { $case: 'progressRequest', value: {} } }));
    const leaving = lab.time.after(1000 + lab.random.int(6000), () => this.leave());
    try {
      for await (const response of clients.watch.watch(requests, { signal: this.controller.signal, metadata: { hasleader: 'true' } })) {
        if (this.take(response)) return;
      }
    } finally {
      asking.cancel();
      leaving.cancel();
      requests.end();
    }
  }

  leave(): void {
    this.controller.abort(new Error('enough of this member'));
  }

  /** Says whether the watch was cancelled. */
  private take({ header, events = [], canceled = false, created = false, compactRevision = 0, cancelReason = '' }: WatchResponse): boolean {
    const { lab, watch } = this;
    const common = { at: lab.moment(), timeMs: lab.nowMs };
    const revision = header?.revision ?? 0;
    if (canceled) {
      lab.trace(`${watch.id} cancelled: compacted at ${compactRevision} ${cancelReason}`);
      if (compactRevision === 0) return true;
      watch.notices.push({ ...common, kind: 'compacted', compactRevision });
      this.next = Math.max(this.next, compactRevision);
      return true;
    }
    if (created) return false;
    if (events.length === 0) {
      watch.notices.push({ ...common, kind: 'progress', revision });
      this.next = Math.max(this.next, revision + 1);
      return false;
    }
    const found = events.map(seenEvent);
    lab.trace(`${watch.id} ${revision}: ${found.map(({ type, kv }) => `${type} ${kv.key}=${kv.value}@${kv.modRevision}`).join(' ')}`);
    watch.notices.push({ ...common, kind: 'events', revision, events: found });
    this.next = Math.max(this.next, ...found.map(({ kv }) => kv.modRevision + 1));
    return false;
  }
}

/** Watches one key, or all, from the beginning until the run is over, with one member after the other. */
export class WatchClient {
  readonly record: WatchRecord;
  private readonly lab: Lab;
  /** The revision it lacks. */
  next = 1;
  private stretch: Stretch | undefined;

  constructor(lab: Lab, options: { id: string; key: string | undefined; withPrevious: boolean }) {
    this.lab = lab;
    this.record = { ...options, notices: [] };
    lab.history.watches.push(this.record);
  }

  /** Ends it, once the run is over. */
  stop(): void {
    this.stretch?.leave();
  }

  async run(): Promise<void> {
    const { lab, record } = this;
    const host = lab.host(record.id);
    while (!lab.isOver) {
      const stretch = new Stretch(lab, record, this.next);
      this.stretch = stretch;
      try {
        await stretch.run(host);
      } catch (error) {
        lab.trace(`${record.id} lost its connection: ${(error as Error).message}`);
      }
      this.next = stretch.next;
      await lab.time.sleep(10 + lab.random.int(200));
    }
  }
}
