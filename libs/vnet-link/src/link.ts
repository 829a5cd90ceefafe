import { type Datagram, type Endpoint as WireEndpoint, type Frame, LinkDefinition } from '@orrery/proto/vnet';
import { AsyncQueue, type CallContext, type Channel, Code, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { type Conn, type DialOptions, type Endpoint, type Fabric, NetError, type RemotePort, connPair } from '@orrery/vnet';
import { fromRpc, pumpIn, pumpOut, toRpc } from './frames.ts';

const endpoint = (wire: WireEndpoint | undefined): Endpoint => ({ ip: wire?.ip ?? '', port: wire?.port ?? 0 });

/** How long a full send queue waits before it looks again; gRPC has no drain signal for a generated stream. */
const drainMs = 2;

const firstEphemeralPort = 32_768;

async function* acceptConnection(fabric: Fabric, clock: Clock, requests: AsyncIterable<Frame>, { signal }: CallContext): AsyncIterable<Frame> {
  const frames = requests[Symbol.asyncIterator]();
  const first = await frames.next();
  const open = first.done ? undefined : first.value.kind;
  if (open?.$case !== 'open') throw new RpcError(Code.INVALID_ARGUMENT, 'the first frame must be open');
  let conn: Conn;
  try {
    conn = await fabric.admit({ from: endpoint(open.value.from), to: endpoint(open.value.to), fromNode: open.value.fromNode ?? '' }, { signal });
  } catch (error) {
    throw toRpc(error);
  }
  const out = new AsyncQueue<Frame>();
  out.push({ kind: { $case: 'opened', value: {} } });
  signal.addEventListener('abort', () => conn.close(new NetError('ECONNRESET', 'the link to the other switch broke')), { once: true });
  const sent = pumpOut(conn, out, () => clock.sleep(drainMs));
  const received = pumpIn(frames, conn);
  void Promise.allSettled([sent, received]).then(() => out.end());
  yield* out;
}

/** The Link service of a process: what other switches send to the switches of `fabric`. */
export function linkService(fabric: Fabric, clock: Clock): ServedService {
  return service(LinkDefinition, {
    connect: (requests, context) => acceptConnection(fabric, clock, requests, context),
    async send(requests) {
      for await (const { from, to, payload } of requests) fabric.admitDatagram({ from: endpoint(from), to: endpoint(to), bytes: payload ?? Buffer.alloc(0) });
      return {};
    },
  });
}

/** The way to the switches of another process. Datagrams are dropped while it cannot be reached, as on any network. */
export function remotePort(channel: Channel, options: { clock: Clock; node: string }): RemotePort & { close(): void } {
  const { clock, node } = options;
  const client = createClient(LinkDefinition, channel);
  let datagrams: AsyncQueue<Datagram> | undefined;
  const ensureDatagrams = (): AsyncQueue<Datagram> => {
    if (datagrams) return datagrams;
    const queue = (datagrams = new AsyncQueue<Datagram>());
    const over = (): void => {
      queue.end();
      if (datagrams === queue) datagrams = undefined;
    };
    client.send(queue).then(over, over);
    return queue;
  };
  return {
    async dial({ from, to }, { signal, timeoutMs = 30_000 }) {
      const out = new AsyncQueue<Frame>();
      const call = new AbortController();
      const abort = (): void => call.abort(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort, { once: true });
      const timer = clock.after(timeoutMs, () => call.abort(new NetError('ETIMEDOUT', `${to.ip}:${to.port} does not answer`)));
      out.push({ kind: { $case: 'open', value: { from, to, fromNode: node } } });
      const frames = client.connect(out, { signal: call.signal })[Symbol.asyncIterator]();
      try {
        const first = await frames.next();
        if (first.done || first.value.kind?.$case !== 'opened') throw new RpcError(Code.UNAVAILABLE, 'ECONNRESET: the link ended');
      } catch (error) {
        out.end();
        throw call.signal.reason instanceof NetError ? call.signal.reason : fromRpc(error);
      } finally {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
      }
      const pair = connPair({ client: from, clientRemote: to, server: to, link: undefined });
      const sent = pumpOut(pair.server, out, () => clock.sleep(drainMs)).finally(() => out.end());
      void Promise.allSettled([sent, pumpIn(frames, pair.server)]).then(() => call.abort());
      return pair.client;
    },
    datagram({ from, to, bytes }) {
      ensureDatagrams().push({ from, to, payload: Buffer.from(bytes) });
    },
    close() {
      datagrams?.end();
      channel.close();
    },
  };
}

/** Connects into the network of another process's switch, from an address that lives there: a kubelet's probes of its pods. */
export function switchDialer(channel: Channel, options: { clock: Clock; ip: string }): { dial(to: Endpoint, dialOptions?: DialOptions): Promise<Conn>; close(): void } {
  const { clock, ip } = options;
  const port = remotePort(channel, { clock, node: '' });
  let lastPort = firstEphemeralPort;
  return {
    dial(to, dialOptions = {}) {
      lastPort = lastPort === 65_535 ? firstEphemeralPort : lastPort + 1;
      return port.dial({ from: { ip, port: lastPort }, to }, dialOptions);
    },
    close: () => port.close(),
  };
}
