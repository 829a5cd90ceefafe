import type { Logger } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { type HostListener, exposeOnHost, exposeUdpOnHost } from './vnet-bridge.ts';

interface Port {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** Of the service: the node is asked at its address of it, or at its only one. */
  readonly family: 4 | 6;
}

const keyOf = ({ port, protocol, family }: Port): string => `${protocol}/${port}/${family}`;

function open(net: NetStack, host: string, { port, protocol, family }: Port): Promise<HostListener> {
  const ip = net.ips.find((own) => own.includes(':') === (family === 6)) ?? net.ips[0] ?? '';
  const to = { ip, port };
  if (protocol === 'TCP') return exposeOnHost({ host, port }, () => net.dial(to));
  return exposeUdpOnHost({ host, port }, (_client, reply) => {
    const socket = net.udp({ ip: '', port: 0 }, reply);
    return { send: (bytes) => socket.send(bytes, to), close: () => socket.close() };
  });
}

/**
 * Makes node ports of the emulated network answer on this machine: each is dialled at the address of one node. A port
 * that is taken here is logged and tried again at every change.
 */
export function exposeNodePorts(options: { net: NetStack; host: string; log: Logger }): { set(ports: readonly Port[]): void; close(): Promise<void> } {
  const { net, host, log } = options;
  const listeners = new Map<string, HostListener>();
  let wanted = new Map<string, Port>();
  let work: Promise<void> = Promise.resolve();

  const reconcile = async (): Promise<void> => {
    for (const [key, listener] of [...listeners]) {
      if (wanted.has(key)) continue;
      listeners.delete(key);
      await listener.close();
    }
    for (const [key, port] of [...wanted]) {
      if (listeners.has(key)) continue;
      try {
        listeners.set(key, await open(net, host, port));
      } catch (error) {
        log.warn('a node port cannot listen on this machine', { host, ...port, error: (error as Error).message });
      }
    }
  };
  return {
    set(ports) {
      wanted = new Map(ports.map((port) => [keyOf(port), port]));
      work = work.then(reconcile);
    },
    async close() {
      wanted = new Map();
      work = work.then(reconcile);
      await work;
    },
  };
}
