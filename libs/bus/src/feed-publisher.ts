import type { Env } from '@orrery/runtime';
import type { Bus, BusMessage } from './bus.ts';
import { encodeFact, feedHeartbeatMs, feedQuestions, feedToken, wholeSlice } from './feed-protocol.ts';

export interface FeedPublisherOptions {
  readonly bus: Bus;
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** Everything up to this revision has been given to `publish`. */
  revision(): number;
  readonly signal: AbortSignal;
}

export interface FeedChange {
  /** `feedSubject` of the resource. */
  readonly root: string;
  readonly revision: number;
  /** Node or namespace the object is in, or was when it was deleted. */
  readonly slice: string;
  /** Where it was before, if that is another one. */
  readonly movedFrom?: string;
  /** The line that a REST watch of the whole resource would carry; without it followers fetch the change themselves. */
  readonly line: Uint8Array | undefined;
}

export interface FeedPublisher {
  /** From here on every change of the resource after `revision` is published. Opening again forgets what was published. */
  open(resource: { readonly root: string; readonly version: string; readonly revision: number }): void;
  /** In order of revision; changes of resources that are not open are dropped. */
  publish(change: FeedChange): void;
  /** What was published may have been lost: followers are told to go back to the API server, and can come again at once. */
  restart(): void;
}

interface Chain {
  readonly version: string;
  /** Nothing is known of changes up to here. */
  base: number;
  last: number;
  readonly slices: Map<string, number>;
}

/** Slices whose position is remembered; beyond it they are forgotten, and their followers come back by way of the API server. */
const maxSlices = 20_000;
/** Left free for headers in a message of the bus. */
const headerBytes = 1_024;
const nothing = new Uint8Array();

class Publisher implements FeedPublisher {
  private readonly options: FeedPublisherOptions;
  private readonly name: string;
  private readonly chains = new Map<string, Chain>();
  private base: number;

  constructor(options: FeedPublisherOptions) {
    this.options = options;
    this.name = options.env.random.name(10);
    this.base = options.revision();
  }

  open({ root, version, revision }: { root: string; version: string; revision: number }): void {
    this.chains.set(root, { version, base: revision, last: revision, slices: new Map() });
  }

  publish(change: FeedChange): void {
    const { root, revision, slice, movedFrom, line } = change;
    const chain = this.chains.get(root);
    if (!chain || revision <= chain.base) return;
    const { bus } = this.options;
    const isWithheld = line === undefined || line.byteLength + headerBytes > bus.maxPayload();
    const token = feedToken(slice);
    const head = { publisher: this.name, version: chain.version, revision };
    const headers = encodeFact({
      ...head,
      content: isWithheld ? 'withheld' : 'event',
      entered: movedFrom !== undefined,
      afterInSlice: chain.slices.get(token) ?? chain.base,
      afterInWhole: chain.last,
    });
    bus.publish(`${root}.${token}`, isWithheld ? nothing : line, headers);
    if (movedFrom) {
      // What followers of the old slice must see (the last state there) is not in the payload.
      const old = feedToken(movedFrom);
      bus.publish(`${root}.${old}`, nothing, encodeFact({ ...head, content: 'withheld', afterInSlice: chain.slices.get(old) ?? chain.base }));
      chain.slices.set(old, revision);
    }
    chain.slices.set(token, revision);
    chain.last = revision;
    if (chain.slices.size > maxSlices) {
      chain.slices.clear();
      chain.base = revision;
    }
  }

  restart(): void {
    this.base = this.options.revision();
    this.heartbeat();
  }

  heartbeat(): void {
    this.options.bus.publish(`feed.heartbeat.${this.name}`, nothing, { publisher: this.name, base: String(this.base) });
  }

  /** Answers a question: how far the slice, or the whole resource, is. */
  answer({ headers }: BusMessage): void {
    const { subject = '', version } = headers;
    const dot = subject.lastIndexOf('.');
    const chain = this.chains.get(subject.slice(0, dot));
    if (!chain || chain.version !== version) return;
    const slice = subject.slice(dot + 1);
    const position = slice === wholeSlice ? { afterInWhole: chain.last } : { afterInSlice: chain.slices.get(slice) ?? chain.base };
    const revision = Math.max(this.options.revision(), chain.last);
    this.options.bus.publish(subject, nothing, encodeFact({ publisher: this.name, version: chain.version, revision, content: 'mark', ...position }));
  }
}

/**
 * The sending half of the change feed: one message a change, on the subject of its slice, each naming the revision of the
 * change before it. It answers questions with marks, and tells its followers
 * when the bus was away, since what it published meanwhile is lost.
 */
export function createFeedPublisher(options: FeedPublisherOptions): FeedPublisher {
  const { bus, env, signal } = options;
  const publisher = new Publisher(options);
  const questions = bus.subscribe(feedQuestions, (message) => publisher.answer(message));
  const connection = bus.onConnection((connected) => {
    if (connected) publisher.restart();
  });
  const timer = env.clock.every(feedHeartbeatMs, () => publisher.heartbeat());
  signal.addEventListener('abort', () => {
    timer.cancel();
    connection.unsubscribe();
    questions.unsubscribe();
  }, { once: true });
  return publisher;
}
