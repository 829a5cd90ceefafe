import { type Watcher, type WatchHub, rangeOf } from '@orrery/mvcc';
import {
  type Event,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
  WatchCreateRequest_FilterType as Filter,
  WatchDefinition,
  WatchResponse as WatchResponseCodec,
} from '@orrery/proto/etcd';
import { type CallContext, Code, RpcError, type ServedService, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { AuthError } from '../auth/auth-error.ts';
import type { Gate } from '../auth/gate.ts';
import { requiresLeader } from '../consensus/guard.ts';
import { etcdError, toEtcdError } from '../errors.ts';
import type { Member } from '../member.ts';

/** Events a watcher that catches up gets in one response, about. */
const batchEvents = 1000;
/** The id under which answers for the whole stream go out. */
const wholeStream = -1;
const firstByte = Buffer.from([0]);

export interface WatchOptions {
  readonly clock: Clock;
  readonly progressNotifyMs: number;
  /** Responses above this are split for watchers that asked for fragments. */
  readonly maxResponseBytes: number;
  readonly gate: Gate;
}

interface Open {
  readonly id: number;
  watcher: Watcher;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  /** Something was sent since the last periodic tick. */
  active: boolean;
}

/**
 * The server's half of one Watch stream. Answers to requests go first, in order; then each watcher that has something
 * is taken in turn, as fast as the client reads. So a client that stops reading holds no more than its watchers' queues.
 */
class WatchStream {
  private readonly member: Member;
  private hub: WatchHub;
  private readonly options: WatchOptions;
  private readonly context: CallContext;
  private readonly open = new Map<number, Open>();
  private readonly answers: WatchResponse[] = [];
  private readonly ready = new Set<Open>();
  /** Revision that must have been delivered to every watcher before a requested progress answer goes out. */
  private progressAt: number | undefined;
  /** The highest revision in a header of events so far. */
  private toldOf = 0;
  private nextId = 0;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: unknown;

  constructor(member: Member, context: CallContext, options: WatchOptions) {
    this.member = member;
    this.hub = member.hub;
    this.options = options;
    this.context = context;
  }

  handle({ requestUnion: request }: WatchRequest): void {
    if (request?.$case === 'createRequest') this.create(request.value);
    else if (request?.$case === 'cancelRequest') this.cancel(request.value.watchId ?? 0);
    else if (request?.$case === 'progressRequest') this.progressAt = this.member.state.revision;
    this.notify();
  }

  private create(request: WatchCreateRequest): void {
    const header = this.member.header();
    try {
      const key = request.key?.length ? request.key : firstByte;
      this.options.gate.requireRead(this.context, { key, rangeEnd: request.rangeEnd });
      const id = this.claimId(request.watchId ?? 0);
      const filters = request.filters ?? [];
      const spec = {
        range: rangeOf(key, request.rangeEnd),
        startRevision: request.startRevision ?? 0,
        prevKv: request.prevKv ?? false,
        noPut: filters.includes(Filter.NOPUT),
        noDelete: filters.includes(Filter.NODELETE),
      };
      // It may wake at once, before it is entered; then it is ready from the start.
      const watcher = this.hub.open(spec, () => this.rouse(id));
      const opened = { id, watcher, fragment: request.fragment ?? false, progressNotify: request.progressNotify ?? false, active: false };
      this.open.set(id, opened);
      if (watcher.awake) this.ready.add(opened);
      this.answers.push({ header, watchId: id, created: true });
    } catch (error) {
      const cancelReason = reasonOf(error);
      this.answers.push({ header, watchId: wholeStream, created: true, canceled: true, cancelReason });
    }
  }

  private claimId(asked: number): number {
    if (asked !== 0) {
      if (this.open.has(asked)) throw etcdError('duplicateWatchId');
      return asked;
    }
    while (this.open.has(this.nextId)) this.nextId += 1;
    return this.nextId++;
  }

  private cancel(id: number): void {
    const opened = this.open.get(id);
    if (!opened) return;
    this.close(opened);
    this.answers.push({ header: this.member.header(), watchId: id, canceled: true });
  }

  private close(opened: Open): void {
    this.hub.close(opened.watcher);
    this.open.delete(opened.id);
    this.ready.delete(opened);
  }

  private rouse(id: number): void {
    const opened = this.open.get(id);
    if (!opened) return;
    this.ready.add(opened);
    this.notify();
  }

  /** The periodic tick: tells watchers that were idle since the last one how far they are. */
  tick(): void {
    for (const opened of this.open.values()) {
      if (opened.progressNotify && !opened.active && opened.watcher.inStep && !this.ready.has(opened)) {
        this.answers.push({ header: this.member.header(), watchId: opened.id });
      }
      opened.active = false;
    }
    this.notify();
  }

  /** The state was replaced by a newer one: every watcher goes on in its history after what it has seen. */
  moved(): void {
    const before = this.hub;
    this.hub = this.member.hub;
    for (const opened of this.open.values()) {
      const { watcher } = opened;
      const startRevision = Math.max(watcher.next, before.seen(watcher) + 1);
      before.close(watcher);
      opened.watcher = this.hub.open({ ...watcher.spec, startRevision }, watcher.wake);
      if (opened.watcher.awake) this.ready.add(opened);
    }
    this.notify();
  }

  /** Ends the stream; with an error, the client gets it. */
  end(failure?: unknown): void {
    this.failure ??= failure;
    this.ended = true;
    this.notify();
  }

  private notify(): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }

  async *responses(): AsyncIterable<WatchResponse> {
    try {
      while (!this.ended) {
        for (let answer = this.answers.shift(); answer; answer = this.answers.shift()) yield answer;
        const progress = this.progress();
        if (progress) {
          yield progress;
          continue;
        }
        const [next] = this.ready;
        if (next) yield* this.take(next);
        else if (!this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
      }
      if (this.failure !== undefined) throw this.failure;
    } finally {
      for (const opened of [...this.open.values()]) this.close(opened);
    }
  }

  private progress(): WatchResponse | undefined {
    if (this.progressAt === undefined) return undefined;
    let seen = this.member.state.revision;
    for (const { watcher } of this.open.values()) seen = Math.min(seen, this.hub.seen(watcher));
    // Not behind what a watcher was told meanwhile either: clients take it for how far all of them are.
    if (seen < Math.max(this.progressAt, this.toldOf)) return undefined;
    this.progressAt = undefined;
    return { header: this.member.header(seen), watchId: wholeStream };
  }

  private *take(opened: Open): Iterable<WatchResponse> {
    this.ready.delete(opened);
    const batch = this.hub.take(opened.watcher, batchEvents);
    // Woken again while being taken: it stands at the end of the line.
    if (opened.watcher.awake) this.ready.add(opened);
    const header = this.member.header(batch.upTo);
    if (batch.compactRevision !== undefined) {
      this.close(opened);
      yield { header: this.member.header(), watchId: opened.id, canceled: true, compactRevision: batch.compactRevision };
      return;
    }
    if (batch.events.length === 0) return;
    opened.active = true;
    this.toldOf = Math.max(this.toldOf, batch.upTo);
    const response: WatchResponse = { header, watchId: opened.id, events: batch.events as Event[] };
    if (opened.fragment) yield* fragments(response, this.options.maxResponseBytes);
    else yield response;
  }
}

/** Refusals of users go out in the words of Go's gRPC: by these clients know that they must authenticate anew. */
function reasonOf(error: unknown): string {
  const translated = toEtcdError(error) as Error;
  if (!(error instanceof AuthError) || !(translated instanceof RpcError)) return translated.message;
  return `rpc error: code = ${codeNames[translated.code] ?? 'Unknown'} desc = ${translated.message}`;
}

const codeNames: Partial<Record<Code, string>> = {
  [Code.INVALID_ARGUMENT]: 'InvalidArgument',
  [Code.PERMISSION_DENIED]: 'PermissionDenied',
  [Code.UNAUTHENTICATED]: 'Unauthenticated',
};

/** Splits a response that is too large; all parts but the last say that more follows. */
export function fragments(response: WatchResponse, maxBytes: number): WatchResponse[] {
  const events = response.events ?? [];
  const size = (part: readonly Event[]): number => WatchResponseCodec.encode({ ...response, events: part as Event[] }).finish().length;
  if (events.length < 2 || size(events) < maxBytes) return [response];
  const overhead = size([]);
  const parts: Event[][] = [[]];
  let bytes = overhead;
  for (const event of events) {
    const more = size([event]) - overhead;
    let part = parts[parts.length - 1] as Event[];
    if (part.length && bytes + more >= maxBytes) {
      parts.push((part = []));
      bytes = overhead;
    }
    part.push(event);
    bytes += more;
  }
  return parts.map((part, i) => ({ ...response, events: part, fragment: i < parts.length - 1 }));
}

export function watchService(member: Member, options: WatchOptions): ServedService {
  return service(WatchDefinition, {
    watch: async function* (requests, context) {
      const stream = new WatchStream(member, context, options);
      const timer = options.clock.every(options.progressNotifyMs, () => stream.tick());
      const end = (): void => stream.end();
      context.signal.addEventListener('abort', end, { once: true });
      const forgets = [member.onStop(() => stream.end(etcdError('stopped'))), member.onRestore(() => stream.moved())];
      const { replica } = member;
      if (replica && requiresLeader(context)) forgets.push(replica.log.onLeaderless(() => stream.end(etcdError('noLeader'))));
      // A client that has sent its last request goes on reading; only a failure to read requests ends the stream.
      const read = async (): Promise<void> => {
        for await (const request of requests) stream.handle(request);
      };
      read().catch((error: unknown) => stream.end(error));
      try {
        yield* stream.responses();
      } finally {
        timer.cancel();
        for (const forget of forgets) forget();
        context.signal.removeEventListener('abort', end);
      }
    },
  });
}
