import { splice } from '@orrery/http';
import { type PortMapping, Protocol } from '@orrery/proto/cri';
import type { Clock } from '@orrery/runtime';
import type { Endpoint, NetStack, UdpSocket } from '@orrery/vnet';

/** How long an idle UDP client is remembered. */
const udpIdleMs = 60_000;

function forwardTcp(host: NetStack, at: Endpoint, to: Endpoint): () => void {
  const listener = host.listen(at, (conn) => {
    host.dial(to).then(
      (backend) => splice(conn, backend),
      (error: Error) => conn.close(error),
    );
  });
  return () => listener.close();
}

function forwardUdp(host: NetStack, at: Endpoint, { to, clock }: { to: Endpoint; clock: Clock }): () => void {
  const flows = new Map<string, { socket: UdpSocket; idle: { cancel(): void } }>();
  const forget = (key: string): void => {
    flows.get(key)?.socket.close();
    flows.delete(key);
  };
  const socket = host.udp(at, (bytes, from) => {
    const key = `${from.ip}/${from.port}`;
    const known = flows.get(key);
    known?.idle.cancel();
    const out = known?.socket ?? host.udp({ ip: '', port: 0 }, (answer) => socket.send(answer, from));
    flows.set(key, { socket: out, idle: clock.after(udpIdleMs, () => forget(key)) });
    out.send(bytes, to);
  });
  return () => {
    socket.close();
    for (const [key, { idle }] of flows) {
      idle.cancel();
      forget(key);
    }
  };
}

/** Opens a pod's host ports at the node's address; returns what closes them. Throws NetError when one is taken. */
export function openHostPorts(mappings: readonly PortMapping[], options: { host: NetStack; podIp: string; clock: Clock }): () => void {
  const { host, podIp, clock } = options;
  const open: (() => void)[] = [];
  const closeAll = (): void => {
    for (const close of open.splice(0)) close();
  };
  try {
    for (const { hostPort = 0, hostIp = '', containerPort = 0, protocol } of mappings) {
      if (hostPort <= 0) continue;
      const at = { ip: hostIp, port: hostPort };
      const to = { ip: podIp, port: containerPort };
      if (protocol === Protocol.UDP) open.push(forwardUdp(host, at, { to, clock }));
      else if (protocol !== Protocol.SCTP) open.push(forwardTcp(host, at, to));
    }
  } catch (error) {
    closeAll();
    throw error;
  }
  return closeAll;
}
