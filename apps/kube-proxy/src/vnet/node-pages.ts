import { type HeaderList, formatResponseHead, readRequestHead } from '@orrery/http';
import type { Logger } from '@orrery/runtime';
import type { Conn, Listener, NetStack } from '@orrery/vnet';
import type { Pages } from '../health.ts';

const reasons: Readonly<Record<number, string>> = { 200: 'OK', 404: 'Not Found', 503: 'Service Unavailable' };

/** One request a connection: who asks is a probe. */
async function answer(conn: Conn, pages: Pages): Promise<void> {
  const read = await readRequestHead(conn);
  if (!read) return conn.close();
  const { status, headers, body } = pages(read.head.target.split('?')[0] ?? '/');
  const list: HeaderList = [...Object.entries(headers), ['Content-Length', String(Buffer.byteLength(body))], ['Connection', 'close']];
  await conn.write(formatResponseHead({ status, reason: reasons[status] ?? '', headers: list }));
  if (read.head.method !== 'HEAD') await conn.write(Buffer.from(body));
  await conn.closeWrite();
}

/** kube-proxy's own ports on a node of the emulated network, where upstream has them: health on all addresses, metrics on loopback. */
export function servePages(host: NetStack, options: { health: Pages; metrics: Pages; log: Pick<Logger, 'warn'> }): () => void {
  const { health, metrics, log } = options;
  const at = [{ ip: '', port: 10_256, pages: health }, { ip: '127.0.0.1', port: 10_249, pages: metrics }];
  const open = at.flatMap(({ pages, ...address }): Listener[] => {
    try {
      return [host.listen(address, (conn) => void answer(conn, pages).catch(() => conn.close()))];
    } catch (error) {
      log.warn('a port of kube-proxy is taken on its node', { port: address.port, error: (error as Error).message });
      return [];
    }
  });
  return () => {
    for (const listener of open) listener.close();
  };
}
