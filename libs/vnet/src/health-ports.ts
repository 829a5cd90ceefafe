import type { Logger } from '@orrery/runtime';
import type { Conn, Listener, NetStack } from './net.ts';
import type { HealthPort } from './rules.ts';

const maxRequestBytes = 16 * 1024;

/** What upstream's kube-proxy answers: 200 while the node has an endpoint, the count as a weight for balancers. */
export function healthPortAnswer({ namespace, service, localEndpoints }: HealthPort, proxyHealthy = true): { status: number; headers: Record<string, string>; body: string } {
  return {
    status: localEndpoints > 0 && proxyHealthy ? 200 : 503,
    headers: { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff', 'X-Load-Balancing-Endpoint-Weight': String(localEndpoints) },
    body: `{\n\t"service": {\n\t\t"namespace": ${JSON.stringify(namespace)},\n\t\t"name": ${JSON.stringify(service)}\n\t},\n\t"localEndpoints": ${localEndpoints},\n\t"serviceProxyHealthy": ${proxyHealthy}\n}`,
  };
}

/** One request a connection, whatever its path: a load balancer's probe. */
async function answer(conn: Conn, port: HealthPort): Promise<void> {
  let request = '';
  for (let bytes = await conn.read(); bytes && !request.includes('\r\n\r\n'); bytes = await conn.read()) {
    request += Buffer.from(bytes).toString('latin1');
    if (request.includes('\r\n\r\n') || request.length > maxRequestBytes) break;
  }
  const { status, headers, body } = healthPortAnswer(port);
  const lines = Object.entries({ ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  await conn.write(Buffer.from(`HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Service Unavailable'}\r\n${lines.join('')}\r\n${request.startsWith('HEAD ') ? '' : body}`));
  await conn.closeWrite();
}

/** The health-check node ports of one node; they listen on the node's own addresses. */
export class HealthPorts {
  private readonly stack: NetStack;
  private readonly log: Logger;
  private readonly open = new Map<number, { port: HealthPort; listener: Listener }>();

  constructor(stack: NetStack, log: Logger) {
    this.stack = stack;
    this.log = log;
  }

  set(ports: readonly HealthPort[]): void {
    const wanted = new Map(ports.map((port) => [port.port, port]));
    for (const [number, { listener }] of [...this.open]) {
      if (wanted.has(number)) continue;
      listener.close();
      this.open.delete(number);
    }
    for (const [number, port] of wanted) {
      const known = this.open.get(number);
      if (known) known.port = port;
      else this.listen(number, port);
    }
  }

  private listen(number: number, port: HealthPort): void {
    try {
      const entry = { port, listener: this.stack.listen({ ip: '', port: number }, (conn) => void answer(conn, entry.port).catch(() => conn.close())) };
      this.open.set(number, entry);
    } catch (error) {
      this.log.warn('a health check node port cannot listen', { port: number, service: `${port.namespace}/${port.service}`, error: (error as Error).message });
    }
  }
}
