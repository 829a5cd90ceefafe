import type { MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock } from '@orrery/runtime';
import type { Bus, BusMessage } from './bus.ts';

export interface NatsBusOptions {
  /** `nats://host:port`, several separated by commas. */
  readonly url: string;
  /** For the wait between attempts to connect for the first time. */
  readonly clock: Pick<Clock, 'sleep'>;
  /** Shown in the server's list of connections. */
  readonly name?: string;
  /** Called with why a connection failed or ended; the bus tries again by itself. */
  readonly onError?: (error: Error) => void;
  readonly reconnectWaitMs?: number;
  /** PEM. With it the connection must be TLS; `cert` and `key` show who we are. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

interface Subscriber {
  readonly subject: string;
  readonly handler: (message: BusMessage) => void;
  live: Subscription | undefined;
}

function plainHeaders(found: MsgHdrs | undefined): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, values] of found ?? []) out[name.toLowerCase()] = values[0] ?? '';
  return out;
}

/** Of NATS' servers, unless configured. */
const defaultMaxPayload = 1_048_576;

/** Loaded when first needed: most programs run without a bus. */
const loadTransport = () => import('@nats-io/transport-node');

/**
 * A bus over NATS. It returns at once and connects in the background, for as long as it takes; what is published while
 * there is no connection is dropped, and subscriptions hold across reconnects.
 */
export function createNatsBus(options: NatsBusOptions): Bus {
  const subscribers = new Set<Subscriber>();
  const listeners = new Set<(connected: boolean) => void>();
  let connection: NatsConnection | undefined;
  let up = false;
  let closed = false;
  let transport: Awaited<ReturnType<typeof loadTransport>> | undefined;
  const ended = new AbortController();

  const setUp = (next: boolean): void => {
    if (next === up) return;
    up = next;
    for (const listener of listeners) listener(next);
  };
  const attach = (subscriber: Subscriber, nats: NatsConnection): void => {
    subscriber.live = nats.subscribe(subscriber.subject, {
      callback: (error, message) => {
        if (error) options.onError?.(error);
        else subscriber.handler({ subject: message.subject, payload: message.data, headers: plainHeaders(message.headers) });
      },
    });
  };
  const follow = async (nats: NatsConnection): Promise<void> => {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') setUp(false);
      else if (status.type === 'reconnect') setUp(true);
      else if (status.type === 'error') options.onError?.(status.error);
    }
  };
  const reconnectWaitMs = options.reconnectWaitMs ?? 250;
  const dial = async (): Promise<NatsConnection | undefined> => {
    const wanted = { servers: options.url.split(','), ...(options.name ? { name: options.name } : {}), ...(options.tls ? { tls: options.tls } : {}), reconnectTimeWait: reconnectWaitMs };
    transport = await loadTransport();
    while (!closed) {
      try {
        return await transport.connect({ ...wanted, maxReconnectAttempts: -1, pingInterval: 10_000, maxPingOut: 2 });
      } catch (error) {
        options.onError?.(error as Error);
        await options.clock.sleep(reconnectWaitMs, ended.signal).catch(() => undefined);
      }
    }
    return undefined;
  };
  const run = async (): Promise<void> => {
    const nats = await dial();
    if (!nats || closed) return nats?.close();
    connection = nats;
    for (const subscriber of subscribers) attach(subscriber, nats);
    await nats.flush();
    setUp(true);
    await follow(nats);
  };
  const running = run().catch((error: unknown) => {
    setUp(false);
    if (!closed) options.onError?.(error as Error);
  });
  return {
    publish(subject, payload, headers = {}) {
      if (!up || !connection || !transport) return;
      try {
        const sent = transport.headers();
        for (const [name, value] of Object.entries(headers)) sent.set(name, value);
        connection.publish(subject, payload, Object.keys(headers).length ? { headers: sent } : {});
      } catch (error) {
        options.onError?.(error as Error);
      }
    },
    subscribe(subject, handler) {
      const subscriber: Subscriber = { subject, handler, live: undefined };
      subscribers.add(subscriber);
      if (connection) attach(subscriber, connection);
      return {
        unsubscribe() {
          subscribers.delete(subscriber);
          subscriber.live?.unsubscribe();
        },
      };
    },
    connected: () => up,
    maxPayload: () => connection?.info?.max_payload ?? defaultMaxPayload,
    onConnection(listener) {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
    async close() {
      if (closed) return;
      closed = true;
      ended.abort();
      listeners.clear();
      setUp(false);
      if (!connection) return;
      await connection.close();
      await running;
    },
  };
}
