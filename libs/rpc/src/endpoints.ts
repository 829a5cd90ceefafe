import type { Random } from '@orrery/runtime';
import { Code, toRpcError } from './rpc-error.ts';
import type { Channel } from './service.ts';

/** Pause of a server that could not be reached, doubling up to the longest; each is that long give or take a fifth, so that clients do not come back in step. */
const firstPauseMs = 500;
const maxPauseMs = 30_000;
const jitter = 0.2;

/** Failures of the connection itself, before anything was sent. */
const unsent = /^(?:No connection established|Name resolution failed|channel closed|Channel has been shut down)/;

/** How long a server that was away may take to be connected to, before it counts as away again. */
const probeMs = 5_000;

/** A server that was asked and has answered nothing for so long gets no new calls while another is well: keep-alive takes longer to find that it hangs. */
const quietMs = 1_500;

interface Endpoint {
  readonly channel: Channel;
  /** Calls without an answer yet. */
  waiting: number;
  /** When it answered last, or was asked first after a time without calls. */
  quietSince: number;
  /** Not to be asked before this, while others can be. */
  pausedUntil: number;
  pauseMs: number;
  /** Whether it is being connected to, to see if it is back. */
  isProbed: boolean;
}

export interface SpreadOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly random: Pick<Random, 'next'>;
}

/**
 * One channel over several servers of the same service: calls take turns. A server that is away is left out for a while, and a
 * call that never left this machine goes to the next one. After that while the server is connected to before it gets calls again: one
 * that takes connections but does not answer would hold up whoever tries it. One that owes answers and gives none is passed by, too.
 * A call whose fate is unknown fails: only its sender knows whether it may be repeated.
 */
export function spreadChannel(channels: readonly Channel[], { now, random }: SpreadOptions): Channel {
  const [only] = channels;
  if (only && channels.length === 1) return only;
  const endpoints: Endpoint[] = channels.map((channel) => ({ channel, waiting: 0, quietSince: 0, pausedUntil: 0, pauseMs: firstPauseMs, isProbed: false }));
  let turn = 0;

  const pause = (endpoint: Endpoint): void => {
    endpoint.pausedUntil = now() + endpoint.pauseMs * (1 + jitter * (2 * random.next() - 1));
    endpoint.pauseMs = Math.min(endpoint.pauseMs * 2, maxPauseMs);
  };
  const failed = (endpoint: Endpoint, error: unknown): void => {
    if (toRpcError(error).code === Code.UNAVAILABLE) pause(endpoint);
  };
  const worked = (endpoint: Endpoint): void => {
    endpoint.pauseMs = firstPauseMs;
    endpoint.pausedUntil = 0;
  };
  const probe = async (endpoint: Endpoint): Promise<void> => {
    endpoint.isProbed = true;
    await endpoint.channel.connected?.(probeMs).then(() => worked(endpoint), () => pause(endpoint));
    endpoint.isProbed = false;
  };
  const isWell = (endpoint: Endpoint, at: number): boolean => {
    if (endpoint.pausedUntil === 0) return endpoint.waiting === 0 || at - endpoint.quietSince < quietMs;
    if (endpoint.pausedUntil > at || endpoint.isProbed) return false;
    if (!endpoint.channel.connected) return true;
    void probe(endpoint);
    return false;
  };
  /** In the order they are to be tried: those that are well in turn, then those that were away longest. */
  const inOrder = (): Endpoint[] => {
    turn = (turn + 1) % endpoints.length;
    const rotated = [...endpoints.slice(turn), ...endpoints.slice(0, turn)];
    const at = now();
    const well = rotated.filter((endpoint) => isWell(endpoint, at));
    const away = rotated.filter((endpoint) => !well.includes(endpoint)).sort((a, b) => a.pausedUntil - b.pausedUntil);
    return [...well, ...away];
  };
  const isUnsent = (error: unknown): boolean => toRpcError(error).code === Code.UNAVAILABLE && unsent.test(toRpcError(error).message);

  const asked = (endpoint: Endpoint): void => {
    if (endpoint.waiting === 0) endpoint.quietSince = now();
    endpoint.waiting += 1;
  };
  const answered = (endpoint: Endpoint, error?: unknown): void => {
    endpoint.waiting -= 1;
    // Of these the caller had enough: they say nothing of the server.
    const { code } = error === undefined ? { code: Code.OK } : toRpcError(error);
    if (code !== Code.DEADLINE_EXCEEDED && code !== Code.CANCELLED) endpoint.quietSince = now();
  };

  async function unary(run: (channel: Channel) => unknown): Promise<unknown> {
    const order = inOrder();
    for (const [i, endpoint] of order.entries()) {
      asked(endpoint);
      try {
        const result = await run(endpoint.channel);
        answered(endpoint);
        worked(endpoint);
        return result;
      } catch (error) {
        answered(endpoint, error);
        failed(endpoint, error);
        if (i === order.length - 1 || !isUnsent(error)) throw error;
      }
    }
    throw new Error('a channel over no servers');
  }

  /** What streams in can be read once only: such a call goes to one server. */
  async function* streamed(run: (channel: Channel) => unknown, isOnce: boolean): AsyncIterable<unknown> {
    const order = inOrder();
    for (const [i, endpoint] of order.entries()) {
      try {
        for await (const message of run(endpoint.channel) as AsyncIterable<unknown>) {
          worked(endpoint);
          yield message;
        }
        return;
      } catch (error) {
        failed(endpoint, error);
        if (isOnce || i === order.length - 1 || !isUnsent(error)) throw error;
      }
    }
  }

  return {
    call(definition, method, input, options) {
      const run = (channel: Channel): unknown => channel.call(definition, method, input, options);
      if (method.responseStream) return streamed(run, method.requestStream);
      // What streams in can be read once only.
      return method.requestStream ? run((inOrder()[0] as Endpoint).channel) : unary(run);
    },
    close: () => channels.forEach((channel) => channel.close()),
  };
}
