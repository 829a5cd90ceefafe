import type { Conn, Endpoint, NetStack } from '@orrery/vnet';
import { exposeHttpOnHost } from './http-balancer.ts';
import { type HostListener, exposeOnHost, exposeUdpOnHost } from './vnet-bridge.ts';

/** How a load balancer listens on this machine and reaches its targets from a place in the emulated network. */
export function balancerNetwork(net: NetStack): {
  listen(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener>;
  listenHttp(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostListener>;
  listenUdp(at: { host: string; port: number }, pick: (client: Endpoint) => Endpoint | undefined): Promise<HostListener>;
  dial(target: Endpoint): Promise<Conn>;
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
    dial: (target) => net.dial(target),
  };
}
