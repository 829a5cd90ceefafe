import type { Clock, Random, Timer } from '@orrery/runtime';
import { Code, RpcError } from '../rpc-error.ts';
import type { Channel } from '../service.ts';
import { ClientCall, type ClientSite } from './client-call.ts';
import { type ByteTransport, Http2Connection } from './connection.ts';

/** What becomes of an attempt to connect. */
export interface ConnectEvents {
  /** It stands. At most once, before anything else. */
  connected(transport: ByteTransport): void;
  received(bytes: Buffer): void;
  /** It is over, or never came about. */
  closed(reason: string): void;
}

/** Begins to connect; never calls back at once. Returns how to end whatever has become of it. */
export type Connect = (events: ConnectEvents) => () => void;

export interface Http2ChannelOptions {
  readonly clock: Clock;
  readonly random: Pick<Random, 'next'>;
  readonly connect: Connect;
  /** `host:port`, as the server is told. */
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  /** Of one answer. */
  readonly maxMessageBytes: number;
  /** A server that says nothing for this long while there are calls is asked for a sign of life. */
  readonly keepAliveMs: number;
}

/** Pause after a connection failed, doubling up to the longest, each give or take a fifth; calls fail meanwhile. */
const firstPauseMs = 100;
const longestPauseMs = 2000;
const jitter = 0.2;
/** How long the server may take to give a sign of life. */
const keepAliveTimeoutMs = 5000;

/** One connection, or the attempt at one. */
interface Attempt {
  connection: Http2Connection | undefined;
  /** It takes no new calls. */
  leaving: boolean;
  heardAt: number;
  pingedAt: number;
  timer: Timer | undefined;
  end: () => void;
}

/**
 * A channel over this library's own HTTP/2: one connection, made when there is something to call, again when it is lost. Calls
 * wait for a connection that is being made, and fail with UNAVAILABLE when that does. Limits on streams that a server announces
 * are not looked at: for servers that have none.
 */
class Http2Channel implements Channel {
  private readonly options: Http2ChannelOptions;
  private readonly site: ClientSite;
  private readonly calls = new Set<ClientCall>();
  private waiting: ClientCall[] = [];
  private current: Attempt | undefined;
  /** Those that take no new calls, too. */
  private readonly attempts = new Set<Attempt>();
  private pauseMs = firstPauseMs;
  private pausedUntil = -Infinity;
  private lastReason = '';
  private shut = false;

  constructor(options: Http2ChannelOptions) {
    const { clock, maxMessageBytes, scheme, authority } = options;
    this.options = options;
    this.site = { clock, maxMessageBytes, scheme, authority };
  }

  private get now(): number {
    return this.options.clock.monotonic();
  }

  call: Channel['call'] = (definition, method, input, options) => {
    const call = new ClientCall({ site: this.site, definition, method, input, options, ended: (one) => this.calls.delete(one) });
    this.calls.add(call);
    if (options.signal?.aborted) call.cancel('the caller gave the call up');
    else this.begin(call);
    return method.responseStream ? call.answers() : call.answer;
  };

  private begin(call: ClientCall): void {
    if (this.shut) return call.fail(new RpcError(Code.UNAVAILABLE, 'channel closed'));
    const connection = this.current?.connection;
    if (connection) return call.start(connection);
    if (!this.current && this.now < this.pausedUntil) return call.fail(this.unreachable());
    this.waiting.push(call);
    if (!this.current) this.connect();
  }

  private unreachable(): RpcError {
    return new RpcError(Code.UNAVAILABLE, `No connection established. Last error: ${this.lastReason}`);
  }

  private connect(): void {
    const attempt: Attempt = { connection: undefined, leaving: false, heardAt: this.now, pingedAt: -Infinity, timer: undefined, end: () => undefined };
    this.current = attempt;
    this.attempts.add(attempt);
    attempt.end = this.options.connect({
      connected: (transport) => this.established(attempt, transport),
      received: (bytes) => {
        attempt.heardAt = this.now;
        attempt.connection?.receive(bytes);
      },
      closed: (reason) => this.closed(attempt, reason),
    });
  }

  private established(attempt: Attempt, transport: ByteTransport): void {
    const connection = new Http2Connection(transport, { role: 'client', leaving: (reason) => this.leave(attempt, reason) });
    attempt.connection = connection;
    attempt.heardAt = this.now;
    this.pauseMs = firstPauseMs;
    attempt.timer = this.options.clock.every(this.options.keepAliveMs, () => this.keepAlive(attempt, connection));
    for (const call of this.waiting.splice(0)) call.start(connection);
  }

  private keepAlive(attempt: Attempt, connection: Http2Connection): void {
    const { now } = this;
    if (attempt.pingedAt > attempt.heardAt) {
      if (now - attempt.pingedAt >= keepAliveTimeoutMs) this.closed(attempt, 'the server gives no sign of life');
    } else if (connection.size > 0 && now - attempt.heardAt >= this.options.keepAliveMs) {
      attempt.pingedAt = now;
      connection.ping();
    }
  }

  /** New calls go over another connection. */
  private leave(attempt: Attempt, reason: string): void {
    attempt.leaving = true;
    this.lastReason = reason;
    if (this.current === attempt) this.current = undefined;
  }

  private closed(attempt: Attempt, reason: string): void {
    if (!this.attempts.delete(attempt)) return;
    const failed = attempt.connection === undefined;
    this.leave(attempt, reason);
    attempt.timer?.cancel();
    attempt.connection?.close();
    attempt.end();
    if (!failed) return;
    this.pausedUntil = this.now + this.pauseMs * (1 + jitter * (2 * this.options.random.next() - 1));
    this.pauseMs = Math.min(2 * this.pauseMs, longestPauseMs);
    for (const call of this.waiting.splice(0)) call.fail(this.unreachable());
  }

  close(): void {
    if (this.shut) return;
    this.shut = true;
    for (const call of [...this.calls]) call.cancel('channel closed');
    for (const attempt of [...this.attempts]) this.closed(attempt, 'channel closed');
  }
}

/** See `Http2Channel`. */
export function http2Channel(options: Http2ChannelOptions): Channel {
  return new Http2Channel(options);
}
