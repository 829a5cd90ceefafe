import { type Conn, type Endpoint, type NetStack, cidrContains, formatIp, parseCidr, parseIp } from '@orrery/vnet';
import { exposeHttpOnHost } from './http-balancer.ts';
import { type HostListener, exposeOnHost, exposeUdpOnHost } from './vnet-bridge.ts';

const loopback = parseCidr('127.0.0.0/8');
/** For clients at addresses of loopback: nobody else has addresses of it (RFC 2544). */
const localClients = parseCidr('198.18.0.0/15');

/**
 * As whom a target sees a client of this machine: as itself, but at 198.18.0.1 if it is at 127.0.0.1, of which nothing may be seen beyond its machine; the
 * last 17 bits stay. undefined where it cannot have an address that the target could answer: at ::1, and of the other family.
 */
export function seenAs(client: Endpoint, target: Endpoint): Endpoint | undefined {
  const ip = parseIp(client.ip);
  if (!ip || ip.family !== parseIp(target.ip)?.family || (ip.family === 6 && ip.value === 1n)) return undefined;
  const value = cidrContains(loopback, ip) ? localClients.base | (ip.value & ((1n << BigInt(32 - localClients.bits)) - 1n)) : ip.value;
  return { ip: formatIp({ family: ip.family, value }), port: client.port };
}

/** How a load balancer listens on this machine and reaches its targets from a place in the emulated network. */
export function balancerNetwork(net: NetStack): {
  listen(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener>;
  listenHttp(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener>;
  listenUdp(at: { host: string; port: number }, pick: (client: Endpoint) => Endpoint | undefined): Promise<HostListener>;
  dial(target: Endpoint, client?: Endpoint): Promise<Conn>;
} {
  return {
    listen: exposeOnHost,
    listenHttp: exposeHttpOnHost,
    listenUdp: (at, pick) =>
      exposeUdpOnHost(at, (client, reply) => {
        const target = pick(client);
        const socket = net.udp({ ip: '', port: 0 }, reply);
        return { send: (bytes) => target && socket.send(bytes, target), close: () => socket.close() };
      }),
    dial(target, client) {
      const source = client && seenAs(client, target);
      return net.dial(target, source ? { source } : {});
    },
  };
}
