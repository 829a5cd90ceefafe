import { type Socket, createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Logger } from '@orrery/runtime';
import { type Cidr, type Conn, type DialOptions, type Edge, type Fabric, NetError, cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import { dial } from './dial.ts';
import { carryInto } from './vnet-bridge.ts';

export interface HostEdgeOptions {
  /** Where what comes in goes. */
  readonly fabric: () => Pick<Fabric, 'admit' | 'admitDatagram'>;
  /** Ranges of the cluster's pods: to these, pods come from their own addresses; to all else from the node's, as if masqueraded. */
  readonly podRanges: readonly string[];
  readonly log: Logger;
}

/** A port that is open; what it has accepted stays when it is closed. */
interface OpenPort {
  close(): void;
}

const keyOf = (ip: string, port: number): string => `${ip}/${port}`;

/** A connection that stands too late is closed. */
function unlessAborted(signal: DialOptions['signal'], dialling: Promise<Conn>): Promise<Conn> {
  if (!signal) return dialling;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new NetError('ETIMEDOUT', 'operation was canceled'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    dialling.then((conn) => (signal.aborted ? conn.close() : resolve(conn)), reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * The network of this machine as the edge of a fabric whose addresses are addresses of this machine, too: what listens in the fabric listens here, and
 * connections and datagrams to addresses that no switch has leave as real ones. Other nodes must have routes to the addresses.
 */
export function createHostEdge({ fabric, podRanges, log }: HostEdgeOptions): Edge & { close(): Promise<void> } {
  const ranges: readonly Cidr[] = podRanges.map((range) => parseCidr(range));
  const datagrams = new Map<string, Socket>();
  /** What goes on at each address, so that a port is opened again only after it was closed. */
  const work = new Map<string, Promise<void>>();

  const isPod = (ip: string): boolean => {
    const parsed = parseIp(ip);
    return parsed !== undefined && ranges.some((range) => cidrContains(range, parsed));
  };
  const openTcp = (ip: string, port: number): Promise<OpenPort> => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => carryInto(socket, (client) => fabric().admit({ from: client, to: { ip, port }, fromNode: '' })));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, ip, () => {
        server.off('error', reject);
        resolve({ close: () => void server.close() });
      });
    });
  };
  const openUdp = (ip: string, port: number): Promise<OpenPort> => {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (bytes: Buffer, from) => fabric().admitDatagram({ from: { ip: from.address, port: from.port }, to: { ip, port }, bytes }));
    // What is sent before it is bound waits in the socket.
    datagrams.set(keyOf(ip, port), socket);
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        datagrams.delete(keyOf(ip, port));
        reject(error);
      });
      socket.bind({ address: ip, port, exclusive: true }, () => {
        // Of a datagram that could not be delivered: as good as lost.
        socket.removeAllListeners('error').on('error', () => undefined);
        resolve({
          close() {
            datagrams.delete(keyOf(ip, port));
            socket.close();
          },
        });
      });
    });
  };
  const queue = (key: string, step: () => Promise<void>): void => {
    // At once where nothing is in the way: a datagram may follow in the same breath.
    const done: Promise<void> = (work.get(key)?.then(step) ?? step()).finally(() => {
      if (work.get(key) === done) work.delete(key);
    });
    work.set(key, done);
  };
  const openPorts = new Set<() => void>();
  const openOne = (protocol: 'TCP' | 'UDP', ip: string, port: number): (() => void) => {
    const key = `${protocol}/${keyOf(ip, port)}`;
    let open: OpenPort | undefined;
    queue(key, async () => {
      open = await (protocol === 'TCP' ? openTcp(ip, port) : openUdp(ip, port)).catch((error: Error) => {
        log.warn('a port of the emulated network cannot be opened on this machine', { protocol, ip, port, error: error.message });
        return undefined;
      });
    });
    return () => queue(key, async () => open?.close());
  };
  return {
    bound(protocol, ips, port) {
      const all = ips.map((ip) => openOne(protocol, ip, port));
      const close = (): void => {
        if (!openPorts.delete(close)) return;
        for (const one of all) one();
      };
      openPorts.add(close);
      return close;
    },
    dial: ({ from, to }, { signal, timeoutMs }) => unlessAborted(signal, dial({ host: to.ip, port: to.port, ...(isPod(to.ip) ? { localAddress: from.ip } : {}), ...(timeoutMs === undefined ? {} : { timeoutMs }) })),
    datagram({ from, to, bytes }) {
      datagrams.get(keyOf(from.ip, from.port))?.send(bytes, to.port, to.ip);
    },
    async close() {
      for (const close of [...openPorts]) close();
      await Promise.all(work.values());
    },
  };
}
