import type { Conn, Endpoint, NetStack } from '@orrery/vnet';
import { type HostListener, exposeOnHost, exposeUdpOnHost } from './vnet-bridge.ts';

/** How a load balancer listens on this machine and reaches its targets from a place in the emulated network. */
export function balancerNetwork(net: NetStack): {
  listen(at: { host: string; port: number }, dial: () => Promise<Conn>): Promise<HostListener>;
  listenUdp(at: { host: string; port: number }, pick: () => Endpoint | undefined): Promise<HostListener>;
  dial(target: Endpoint): Promise<Conn>;
} {
  return {
    listen: exposeOnHost,
    listenUdp: (at, pick) =>
      exposeUdpOnHost(at, (_client, reply) => {
        const target = pick();
        const socket = net.udp({ ip: '', port: 0 }, reply);
        return { send: (bytes) => target && socket.send(bytes, target), close: () => socket.close() };
      }),
    dial: (target) => net.dial(target),
  };
}
