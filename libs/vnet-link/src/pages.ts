import { type HeaderList, formatResponseHead, readRequestHead } from '@orrery/http';
import type { PageReply, PageRequest } from '@orrery/proto/vnet';
import { AsyncQueue, Code, RpcError } from '@orrery/rpc';
import type { Logger } from '@orrery/runtime';
import type { Conn, Endpoint, Listener, NetStack } from '@orrery/vnet';

export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What answers on a port, by path (without the query). */
export interface PagesAt extends Endpoint {
  readonly pages: (path: string) => Page | Promise<Page>;
}

const gone = 'who answers has gone';
const reasons: Readonly<Record<number, string>> = { 200: 'OK', 404: 'Not Found', 503: 'Service Unavailable' };

/** One request a connection: who asks is a probe. */
async function answer(conn: Conn, pages: PagesAt['pages']): Promise<void> {
  const read = await readRequestHead(conn);
  if (!read) return conn.close();
  const { status, headers, body } = await pages(read.head.target.split('?')[0] ?? '/');
  const list: HeaderList = [...Object.entries(headers), ['Content-Length', String(Buffer.byteLength(body))], ['Connection', 'close']];
  await conn.write(formatResponseHead({ status, reason: reasons[status] ?? '', headers: list }));
  if (read.head.method !== 'HEAD') await conn.write(Buffer.from(body));
  await conn.closeWrite();
}

/** Answers on ports of a node. A port that is taken is said, and left. Returns what ends it. */
export function servePages(host: NetStack, at: readonly PagesAt[], log: Pick<Logger, 'warn'>): () => void {
  const open = at.flatMap(({ pages, ip, port }): Listener[] => {
    try {
      return [host.listen({ ip, port }, (conn) => void answer(conn, pages).catch(() => conn.close()))];
    } catch (error) {
      log.warn('a port of a node is taken already', { port, error: (error as Error).message });
      return [];
    }
  });
  return () => {
    for (const listener of open) listener.close();
  };
}

/** The side of the switch: asks the caller for each page. */
export async function* askForPages(host: NetStack, replies: AsyncIterable<PageReply>, { signal, log }: { signal: AbortSignal; log: Pick<Logger, 'warn'> }): AsyncIterable<PageRequest> {
  const incoming = replies[Symbol.asyncIterator]();
  const first = await incoming.next();
  if (first.done || !first.value.listen?.length) throw new RpcError(Code.INVALID_ARGUMENT, 'the first message must say where to listen');
  const requests = new AsyncQueue<PageRequest>();
  const waiting = new Map<number, { resolve: (page: Page) => void; reject: (error: Error) => void }>();
  let last = 0;
  let ended = false;
  const pages = (port: number) => (path: string): Promise<Page> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(new Error(gone));
      const id = ++last;
      waiting.set(id, { resolve, reject });
      requests.push({ id, port, path });
    });
  const close = servePages(host, first.value.listen.map(({ ip = '', port = 0 }) => ({ ip, port, pages: pages(port) })), log);
  const over = (): void => {
    ended = true;
    close();
    requests.end();
    for (const { reject } of waiting.values()) reject(new Error(gone));
    waiting.clear();
  };
  if (signal.aborted) over();
  signal.addEventListener('abort', over, { once: true });
  const receive = async (): Promise<void> => {
    for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
      const { id = 0, status = 0, headers = {}, body = '' } = next.value;
      waiting.get(id)?.resolve({ status, headers, body });
      waiting.delete(id);
    }
  };
  void receive().then(over, over);
  try {
    yield* requests;
  } finally {
    over();
  }
}

/** The side that has the pages: answers until the switch is gone or `signal` ends it. Never rejects because of either. */
export async function answerPages(call: (replies: AsyncIterable<PageReply>) => AsyncIterable<PageRequest>, at: readonly PagesAt[]): Promise<void> {
  const replies = new AsyncQueue<PageReply>();
  replies.push({ listen: at.map(({ ip, port }) => ({ ip, port })) });
  try {
    for await (const { id = 0, port = 0, path = '' } of call(replies)) {
      const found = at.find((one) => one.port === port);
      const page = found ? await found.pages(path) : { status: 404, headers: {}, body: '' };
      replies.push({ id, status: page.status, headers: { ...page.headers }, body: page.body });
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
  } finally {
    replies.end();
  }
}
