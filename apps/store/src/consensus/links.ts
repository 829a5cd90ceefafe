import { type Batch, PeerDefinition, type SnapshotChunk } from '@orrery/proto/raft';
import type { MemberId, Message } from '@orrery/raft';
import { AsyncQueue, type Channel, Code, RpcError, createClient, toRpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { fromWire, toWire } from './wire.ts';

export const metadataKeys = { cluster: 'orrery-cluster', member: 'orrery-member' } as const;
/** What one that was removed is told; it then knows that it is. */
export const removedMessage = 'etcdserver: the member has been permanently removed from the cluster';

/** Pause after a stream broke, doubling up to the longest. */
const firstPauseMs = 50;
const longestPauseMs = 1000;
/** Batches that wait for a slow member before more are dropped; the algorithm sends them again. */
const maxQueued = 1024;
/** A member that said nothing for this long on an open stream is dialled anew. */
const silentMs = 5000;
/** A snapshot of which nothing was taken for this long is given up. Whoever has it all must read it, which takes a while. */
const stalledMs = 60_000;

export interface LinksOptions {
  readonly env: Env;
  readonly self: { readonly clusterId: string; readonly memberId: MemberId };
  readonly dial: (peerUrl: string) => Channel;
  /** Where a member listens; undefined while nobody knows. */
  readonly urlsOf: (member: MemberId) => readonly string[];
  readonly receive: (message: Message) => void;
  readonly unreachable: (member: MemberId) => void;
  readonly removed: () => void;
}

/** One other member: its connection, and the stream that messages to it go out on. */
interface Link {
  readonly id: MemberId;
  channel: { readonly url: string; readonly channel: Channel } | undefined;
  out: AsyncQueue<Batch> | undefined;
  readonly streams: Set<AbortController>;
  heardAt: number;
  /** Which of its addresses is tried next. */
  turn: number;
  pausedUntil: number;
  pauseMs: number;
}

/** The connections between this member and the others. Loses messages, never changes them, may reorder them. */
export class Links {
  private readonly options: LinksOptions;
  private readonly links = new Map<MemberId, Link>();
  private readonly metadata: Readonly<Record<string, string>>;
  private closed = false;

  constructor(options: LinksOptions) {
    this.options = options;
    const { clusterId, memberId } = options.self;
    this.metadata = { [metadataKeys.cluster]: clusterId, [metadataKeys.member]: memberId };
  }

  private get now(): number {
    return this.options.env.clock.monotonic();
  }

  private link(id: MemberId): Link {
    let link = this.links.get(id);
    if (!link) {
      link = { id, channel: undefined, out: undefined, streams: new Set(), heardAt: -Infinity, turn: 0, pausedUntil: 0, pauseMs: firstPauseMs };
      this.links.set(id, link);
    }
    return link;
  }

  /** The last time that anything came from the member. */
  heardAt(id: MemberId): number {
    return this.links.get(id)?.heardAt ?? -Infinity;
  }

  /** Sends what it can; snapshots are not among the messages. */
  send(messages: readonly Message[]): void {
    const [first] = messages;
    if (!first || this.closed) return;
    if (messages.every(({ to }) => to === first.to)) return this.push(first.to, messages);
    const byMember = new Map<MemberId, Message[]>();
    for (const message of messages) {
      const batch = byMember.get(message.to);
      if (batch) batch.push(message);
      else byMember.set(message.to, [message]);
    }
    for (const [to, batch] of byMember) this.push(to, batch);
  }

  private push(to: MemberId, messages: readonly Message[]): void {
    const link = this.link(to);
    if (!link.out) this.open(link);
    if (!link.out || link.out.size >= maxQueued) this.options.unreachable(to);
    else link.out.push({ messages: messages.map(toWire) });
  }

  private channel(link: Link): Channel | undefined {
    const urls = this.options.urlsOf(link.id);
    const url = urls[link.turn % Math.max(1, urls.length)];
    if (url === undefined) return undefined;
    if (link.channel?.url !== url) {
      link.channel?.channel.close();
      link.channel = { url, channel: this.options.dial(url) };
    }
    return link.channel.channel;
  }

  /** The services of another member, if its address is known. */
  client(id: MemberId): Channel | undefined {
    return this.closed ? undefined : this.channel(this.link(id));
  }

  get callMetadata(): Readonly<Record<string, string>> {
    return this.metadata;
  }

  private open(link: Link): void {
    if (this.now < link.pausedUntil) return;
    const channel = this.channel(link);
    if (!channel) return;
    const out = new AsyncQueue<Batch>();
    const controller = new AbortController();
    link.out = out;
    link.streams.add(controller);
    link.heardAt = this.now;
    const responses = createClient(PeerDefinition, channel).exchange(out, { signal: controller.signal, metadata: this.metadata });
    this.read(link, responses).then(
      () => this.ended(link, out, controller),
      (error: unknown) => this.ended(link, out, controller, error),
    );
  }

  private ended(link: Link, out: AsyncQueue<Batch>, controller: AbortController, error?: unknown): void {
    out.end();
    link.streams.delete(controller);
    if (link.out === out) link.out = undefined;
    link.turn += 1;
    link.pausedUntil = this.now + link.pauseMs;
    link.pauseMs = Math.min(link.pauseMs * 2, longestPauseMs);
    if (this.closed) return;
    if (error !== undefined) this.options.env.log.debug('connection to a member ended', { member: link.id, error });
    this.options.unreachable(link.id);
    if (error !== undefined && toRpcError(error).message.includes(removedMessage)) this.options.removed();
  }

  private async read(link: Link, batches: AsyncIterable<Batch>): Promise<void> {
    for await (const { messages = [] } of batches) {
      link.heardAt = this.now;
      link.pauseMs = firstPauseMs;
      for (const message of messages) this.options.receive(fromWire(message));
    }
  }

  /** The other half of a stream that a member opened. What is said to it goes out here from now on. */
  async *accept(id: MemberId, batches: AsyncIterable<Batch>, signal: AbortSignal): AsyncIterable<Batch> {
    const link = this.link(id);
    const out = new AsyncQueue<Batch>();
    const controller = new AbortController();
    link.streams.add(controller);
    link.out = out;
    link.heardAt = this.now;
    const end = (): void => out.end();
    controller.signal.addEventListener('abort', end, { once: true });
    signal.addEventListener('abort', end, { once: true });
    this.read(link, batches).then(end, (error: unknown) => out.end(error));
    try {
      yield* out;
    } finally {
      link.streams.delete(controller);
      if (link.out === out) link.out = undefined;
      signal.removeEventListener('abort', end);
    }
  }

  /** Streams a snapshot; resolves when the member has it. Rejects when it takes nothing of it for too long. */
  async sendSnapshot(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const channel = this.client(message.to);
    if (!channel) throw new RpcError(Code.UNAVAILABLE, `no address of member ${message.to} is known`);
    const { clock } = this.options.env;
    const controller = new AbortController();
    let movedAt = this.now;
    const stream = async function* (): AsyncIterable<SnapshotChunk> {
      yield { message: toWire(message), data: Buffer.alloc(0) };
      for await (const chunk of chunks) {
        movedAt = clock.monotonic();
        yield { data: Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) };
      }
    };
    const timer = clock.every(stalledMs / 4, () => {
      if (this.now - movedAt >= stalledMs) controller.abort(new RpcError(Code.DEADLINE_EXCEEDED, 'the snapshot is not taken'));
    });
    try {
      await createClient(PeerDefinition, channel).installSnapshot(stream(), { metadata: this.metadata, signal: controller.signal });
    } finally {
      timer.cancel();
    }
  }

  /** Gives up streams that have gone silent: the other end may be away without anyone having said so. */
  check(): void {
    for (const link of this.links.values()) {
      if (link.streams.size && this.now - link.heardAt > silentMs) for (const controller of link.streams) controller.abort(new RpcError(Code.UNAVAILABLE, 'silent'));
    }
  }

  /** Ends the connections to those that `keep` does not want. */
  prune(keep: (member: MemberId) => boolean): void {
    for (const [id, link] of this.links) {
      if (keep(id)) continue;
      this.links.delete(id);
      this.shut(link);
    }
  }

  private shut(link: Link): void {
    link.out?.end();
    for (const controller of link.streams) controller.abort(new RpcError(Code.CANCELLED, 'closed'));
    link.channel?.channel.close();
    link.channel = undefined;
  }

  close(): void {
    this.closed = true;
    for (const link of this.links.values()) this.shut(link);
    this.links.clear();
  }
}
