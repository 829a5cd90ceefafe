import { networkInterfaces } from 'node:os';
import type { Logger } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { type HostListener, exposeOnHost, exposeUdpOnHost } from './vnet-bridge.ts';

type Family = 4 | 6;

interface Port {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** Of the service, one of its families; a service of both has two such entries. */
  readonly family: Family;
}

interface Exposed extends Port {
  readonly host: string;
}

const familyOf = (ip: string): Family => (ip.includes(':') ? 6 : 4);
const keyOf = ({ host, port, protocol, family }: Exposed): string => `${host}/${protocol}/${port}/${family}`;

/** Loopback addresses of this machine: 127.0.0.1, and ::1 where it has that. */
export function loopbackAddresses(): string[] {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return ['127.0.0.1', ...(own.some(({ address }) => address === '::1') ? ['::1'] : [])];
}

/**
 * Where ports answer: on the first host those of all services, in its own family where the service has it; on others those of services of
 * their family.
 */
export function exposedAt(hosts: readonly string[], ports: readonly Port[]): Exposed[] {
  const served = new Set(ports.map(({ port, protocol, family }) => `${protocol}/${port}/${family}`));
  return hosts.flatMap((host, index) => {
    const own = familyOf(host);
    const isServed = ({ port, protocol, family }: Port): boolean => family === own || (index === 0 && !served.has(`${protocol}/${port}/${own}`));
    return ports.filter(isServed).map((port) => ({ ...port, host }));
  });
}

/** The node is asked at its address of the service's family, or at its only one. */
function open(net: NetStack, { host, port, protocol, family }: Exposed): Promise<HostListener> {
  const ip = net.ips.find((own) => familyOf(own) === family) ?? net.ips[0] ?? '';
  const to = { ip, port };
  if (protocol === 'TCP') return exposeOnHost({ host, port }, () => net.dial(to));
  return exposeUdpOnHost({ host, port }, (_client, reply) => {
    const socket = net.udp({ ip: '', port: 0 }, reply);
    return { send: (bytes) => socket.send(bytes, to), close: () => socket.close() };
  });
}

/**
 * Makes node ports of the emulated network answer on `hosts`, addresses of this machine (see `exposedAt`): each is dialled at the address of one
 * node. A port that is taken here is logged once and tried again at every change.
 */
export function exposeNodePorts(options: { net: NetStack; hosts: readonly string[]; log: Logger }): { set(ports: readonly Port[]): void; close(): Promise<void> } {
  const { net, hosts, log } = options;
  const listeners = new Map<string, HostListener>();
  const told = new Set<string>();
  let wanted = new Map<string, Exposed>();
  let work: Promise<void> = Promise.resolve();

  const reconcile = async (): Promise<void> => {
    for (const key of told) if (!wanted.has(key)) told.delete(key);
    for (const [key, listener] of [...listeners]) {
      if (wanted.has(key)) continue;
      listeners.delete(key);
      await listener.close();
    }
    for (const [key, port] of [...wanted]) {
      if (listeners.has(key)) continue;
      try {
        listeners.set(key, await open(net, port));
        told.delete(key);
      } catch (error) {
        if (!told.has(key)) log.warn('a node port cannot listen on this machine', { ...port, error: (error as Error).message });
        told.add(key);
      }
    }
  };
  return {
    set(ports) {
      wanted = new Map(exposedAt(hosts, ports).map((port) => [keyOf(port), port]));
      work = work.then(reconcile);
    },
    async close() {
      wanted = new Map();
      work = work.then(reconcile);
      await work;
    },
  };
}
