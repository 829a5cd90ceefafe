import { HttpParseError } from '@orrery/http';
import { NetError } from '@orrery/vnet';
import { httpCall } from '../../net/http-client.ts';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';
import type { Command } from './flags.ts';
import { forever } from './forever.ts';
import { goFatal, goJson, goLog, goNetError } from './go-text.ts';

const timeoutMs = 15_000;
const retryMs = 1000;
const callMs = 5000;

const text = (status: number, body: string): HttpReply => ({ status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body });

async function ask(proc: Proc, host: string, options: { port: number; request: string }): Promise<string> {
  const url = new URL(`http://${host.includes(':') ? `[${host}]` : host}:${options.port}/${options.request}`);
  const reply = await httpCall(proc, { url, timeoutMs: callMs });
  const chunks: Uint8Array[] = [];
  for await (const bytes of reply.body) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

/** The other end cannot be reached or makes no sense; undefined for what is not its fault. */
function failureOf(error: unknown, host: string): string | undefined {
  if (error instanceof NetError || error instanceof ResolveError) return goNetError(error, { network: 'tcp', host });
  return error instanceof HttpParseError ? 'EOF' : undefined;
}

interface Book {
  readonly proc: Proc;
  readonly port: number;
  readonly replicas: string[];
  store: Map<string, string>;
}

const dump = (book: Book): string => goJson({ data: Object.fromEntries(book.store) });

async function set(book: Book, query: URLSearchParams): Promise<HttpReply> {
  const [key, value] = [query.get('key') ?? '', query.get('value') ?? ''];
  await goLog(book.proc, `GET /set?key=${key}&value=${value}`);
  if (key === '') return text(400, 'cannot set with empty key.\n');
  book.store.set(key, value);
  for (const replica of book.replicas) {
    try {
      await ask(book.proc, replica, { port: book.port, request: `set?key=${encodeURIComponent(key)}&value=${encodeURIComponent(value)}` });
    } catch (error) {
      const why = failureOf(error, replica);
      if (why === undefined) throw error;
      return text(417, `encountered error while propagating to replica '${replica}': ${why}\n`);
    }
  }
  return text(200, goJson({ message: 'Updated' }));
}

/** What the frontend does: writes go to the primary, reads to a replica. */
async function forward(book: Book, query: URLSearchParams): Promise<HttpReply> {
  const [cmd, key, value] = [(query.get('cmd') ?? '').toLowerCase(), query.get('key') ?? '', query.get('value') ?? ''];
  await goLog(book.proc, `GET /guestbook?cmd=${cmd}&key=${key}&value=${value}`);
  if (cmd !== 'get' && cmd !== 'set') return text(400, `unsupported cmd: '${cmd}'\n`);
  if (cmd === 'set' && key === '') return text(400, 'cannot set with empty key.\n');
  const host = cmd === 'get' ? 'agnhost-replica' : 'agnhost-primary';
  try {
    return text(200, await ask(book.proc, host, { port: book.port, request: `${cmd}?key=${encodeURIComponent(key)}&value=${encodeURIComponent(value)}` }));
  } catch (error) {
    const why = failureOf(error, host);
    if (why === undefined) throw error;
    return error instanceof ResolveError ? text(400, `host and/or port param are invalid. ${why}\n`) : text(417, `encountered error: ${why}\n`);
  }
}

async function answer(book: Book, { path, query }: HttpRequest): Promise<HttpReply> {
  const { proc } = book;
  switch (path) {
    case '/register': {
      const host = query.get('host') ?? '';
      await goLog(proc, `GET /register?host=${host}`);
      book.replicas.push(host);
      await goLog(proc, `Node '${host}' registered.`);
      return text(200, dump(book));
    }
    case '/get': {
      const key = query.get('key') ?? '';
      await goLog(proc, `GET /get?key=${key}`);
      return text(200, key === '' ? dump(book) : goJson({ data: book.store.get(key) ?? '' }));
    }
    case '/set':
      return set(book, query);
    case '/guestbook':
      return forward(book, query);
    default:
      return text(404, '404 page not found\n');
  }
}

/** Tells the primary of this replica and takes over what it holds. */
async function register(book: Book, primary: string): Promise<number | undefined> {
  const { proc, port } = book;
  const end = proc.clock.monotonic() + timeoutMs;
  const request = `register?host=${proc.net.stack.ips[0] ?? ''}`;
  while (proc.clock.monotonic() < end) {
    await goLog(proc, `Registering to primary: ${primary}:${port}/${request}`);
    try {
      const { data } = JSON.parse(await ask(proc, primary, { port, request })) as { data: Record<string, string> };
      book.store = new Map(Object.entries(data));
      await goLog(proc, `Registered to node: ${primary}`);
      return undefined;
    } catch (error) {
      const why = failureOf(error, primary);
      if (error instanceof SyntaxError) return goFatal(proc, `Error while unmarshaling primary's response: ${error.message}`);
      if (why === undefined) throw error;
      await goLog(proc, `encountered error while registering to primary: ${why}. Retrying in 1s.`);
      await proc.sleep(retryMs);
    }
  }
  return goFatal(proc, 'Timed out while registering to primary.');
}

/** A guestbook: keys and values, kept by a primary that tells its replicas. */
export const guestbook: Command = async (proc, flags) => {
  const book: Book = { proc, port: flags.number('backend-port', 6379), replicas: [], store: new Map() };
  serveHttp(proc, { ip: '', port: flags.number('http-port', 80) }, (request) => answer(book, request));
  const primary = flags.get('replicaof') ?? '';
  const failed = primary === '' ? undefined : await register(book, primary);
  return failed ?? forever(proc);
};
