import type { BalancerNetwork } from '@orrery/cloud/component';
import type { Clock } from '@orrery/runtime';
import { type Attachment, type Conn, type Endpoint, type VnetSwitch, NetError } from '@orrery/vnet';

/** A client of a balancer that has sent no datagram for so long is forgotten, milliseconds. */
const idleMs = 60_000;

async function copy(from: Conn, to: Conn): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) await to.write(bytes);
  await to.closeWrite();
}

function splice(a: Conn, b: Conn): void {
  const fail = (error: unknown): void => {
    const why = error instanceof Error ? error : new NetError('ECONNRESET', String(error));
    a.close(why);
    b.close(why);
  };
  copy(a, b).catch(fail);
  copy(b, a).catch(fail);
}

/**
 * How balancers listen where there are no sockets: at their own addresses of the emulated network, where Pods and tests reach them. HTTP is carried as the bytes it is: connections
 * are spread, not requests, and no X-Forwarded-For is told.
 */
export function simulatedBalancers(infra: VnetSwitch, { clock, ip }: { readonly clock: Clock; readonly ip: string }): { readonly network: BalancerNetwork; close(): void } {
  const own = infra.attach({ ips: [ip] });
  const plugged = new Map<string, { readonly port: Attachment; listeners: number }>();
  /** The balancer's place in the network, for as long as it listens there. */
  const place = (host: string): { readonly stack: Attachment['stack']; leave(): void } => {
    const at = plugged.get(host) ?? { port: infra.attach({ ips: [host] }), listeners: 0 };
    plugged.set(host, at);
    at.listeners++;
    return {
      stack: at.port.stack,
      leave() {
        if (--at.listeners > 0) return;
        plugged.delete(host);
        at.port.detach();
      },
    };
  };
  const listen: BalancerNetwork['listen'] = async ({ host, port }, dial) => {
    const { stack, leave } = place(host);
    const carried = new Set<Conn>();
    const listener = stack.listen({ ip: host, port }, (conn) => {
      carried.add(conn);
      dial(conn.remote).then((target) => splice(conn, target), (error: Error) => conn.close(error));
    });
    return {
      endpoint: `${host}:${listener.address.port}`,
      async close() {
        listener.close();
        for (const conn of carried) conn.close();
        leave();
      },
    };
  };
  const listenUdp: BalancerNetwork['listenUdp'] = async ({ host, port }, pick) => {
    const { stack, leave } = place(host);
    const flows = new Map<string, { readonly send: (bytes: Uint8Array) => void; readonly close: () => void; usedMs: number }>();
    const flowOf = (from: Endpoint): { readonly send: (bytes: Uint8Array) => void; usedMs: number } => {
      const key = `${from.ip}/${from.port}`;
      const known = flows.get(key);
      if (known) return known;
      const target = pick(from);
      const out = own.stack.udp({ ip: '', port: 0 }, (bytes) => socket.send(bytes, from));
      const flow = { send: (bytes: Uint8Array) => void (target && out.send(bytes, target)), close: () => out.close(), usedMs: clock.monotonic() };
      flows.set(key, flow);
      return flow;
    };
    const socket = stack.udp({ ip: host, port }, (bytes, from) => {
      const flow = flowOf(from);
      flow.usedMs = clock.monotonic();
      flow.send(bytes);
    });
    const sweep = clock.every(idleMs, () => {
      for (const [key, flow] of flows) if (clock.monotonic() - flow.usedMs >= idleMs && flows.delete(key)) flow.close();
    });
    return {
      endpoint: `${host}:${socket.address.port}`,
      async close() {
        sweep.cancel();
        socket.close();
        for (const flow of flows.values()) flow.close();
        leave();
      },
    };
  };
  return { network: { listen, listenHttp: listen, listenUdp, dial: (target) => own.stack.dial(target) }, close: () => own.detach() };
}
