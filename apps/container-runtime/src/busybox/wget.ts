import { type ExchangeReply, HttpParseError } from '@orrery/http';
import { NetError, formatEndpoint } from '@orrery/vnet';
import { TlsError, UnsupportedScheme, httpCall, parseUrl } from '../net/http-client.ts';
import { ResolveError } from '../net/resolver.ts';
import { openPath } from '../process/files.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, type Options, UsageError, parseDuration, parseOptions } from './applet.ts';

const maxRedirects = 10;

const netTexts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ETIMEDOUT: 'Connection timed out',
  EHOSTUNREACH: 'No route to host',
  ECONNRESET: 'Connection reset by peer',
};

export function netErrorText(error: NetError): string {
  return netTexts[error.code] ?? error.message;
}

interface Fetch {
  readonly proc: Proc;
  readonly options: Options;
  readonly quiet: boolean;
  readonly timeoutMs: number;
}

async function request(fetch: Fetch, url: URL): Promise<{ reply: ExchangeReply; url: URL }> {
  const { proc, options, quiet, timeoutMs } = fetch;
  let [current, redirects] = [url, 0];
  const post = options.values.get('d') ?? (options.values.has('p') ? proc.fs.readText(proc.path(options.values.get('p') as string)) : undefined);
  for (;;) {
    const extra = options.all.filter(([option]) => option === 'h').map(([, line]): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
    const headers: [string, string][] = [['User-Agent', options.values.get('U') ?? 'Wget'], ...extra];
    if (current.username) headers.push(['Authorization', `Basic ${Buffer.from(`${decodeURIComponent(current.username)}:${decodeURIComponent(current.password)}`).toString('base64')}`]);
    if (post !== undefined && !extra.some(([name]) => name.toLowerCase() === 'content-type')) headers.push(['Content-Type', 'application/x-www-form-urlencoded']);
    const reply = await httpCall(proc, {
      url: current,
      method: post === undefined ? (options.flags.has('s') ? 'HEAD' : 'GET') : 'POST',
      headers,
      timeoutMs,
      // As busybox: encrypted, not verified.
      tls: { verify: false },
      ...(post === undefined ? {} : { body: Buffer.from(post) }),
      onAddress: (ip, port) => (quiet ? undefined : proc.err(`Connecting to ${current.host} (${formatEndpoint({ ip, port })})\n`)),
    });
    if (options.flags.has('S')) await proc.err(`  HTTP/1.1 ${reply.status} ${reply.reason}\n${reply.headers.map(([name, value]) => `  ${name}: ${value}\n`).join('')}  \n`);
    const location = reply.headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
    if (reply.status < 300 || reply.status >= 400 || !location || reply.status === 304) return { reply, url: current };
    if (++redirects > maxRedirects) throw new UsageError('too many redirections');
    for await (const _ of reply.body) continue;
    current = new URL(location, current);
  }
}

async function save(fetch: Fetch, url: URL, reply: ExchangeReply): Promise<void> {
  const { proc, options, quiet } = fetch;
  const name = options.values.get('O') ?? (url.pathname.split('/').at(-1) || 'index.html');
  const file = name === '-' ? proc.fds.get(1)?.retain() : openPath(proc, options.values.has('P') && !options.values.has('O') ? `${options.values.get('P')}/${name}` : name, { write: true, create: true, truncate: true });
  if (!quiet) await proc.err(name === '-' ? 'writing to stdout\n' : `saving to '${name}'\n`);
  let size = 0;
  try {
    for await (const bytes of reply.body) {
      size += bytes.length;
      await file?.write(bytes, proc.signal);
    }
  } finally {
    file?.release();
  }
  if (quiet) return;
  await proc.err(`${(name === '-' ? '-' : name).slice(0, 20).padEnd(20)} 100% |********************************| ${String(size).padStart(5)}  0:00:00 ETA\n`);
  await proc.err(name === '-' ? 'written to stdout\n' : `'${name}' saved\n`);
}

/** wget as busybox has it: http only, redirects, -q -O -T -S --spider --header --post-data. */
export const wget: Applet = async (proc, args) => {
  const options = parseOptions(args, 'cqSO:o:P:T:t:U:Y:', { long: { spider: 's', header: 'h:', 'post-data': 'd:', 'post-file': 'p:', timeout: 'T:', tries: 't:', quiet: 'q', 'output-document': 'O:', 'server-response': 'S', 'user-agent': 'U:', 'no-check-certificate': 'n', 'no-verbose': 'q', 'no-proxy': 'n' } });
  const [text] = options.operands;
  if (text === undefined) throw new UsageError('missing URL\nUsage: wget [-cqS] [--spider] [-O FILE] [-T SEC] [--header STR] [--post-data STR] URL...');
  const url = parseUrl(text);
  if (!url) throw new UsageError(`bad url: ${text}`);
  const quiet = options.flags.has('q');
  const fetch: Fetch = { proc, options, quiet, timeoutMs: parseDuration(options.values.get('T') ?? '900') * 1000 };
  let at = url;
  try {
    const result = await request(fetch, url);
    at = result.url;
    const { reply } = result;
    if (reply.status < 200 || reply.status >= 300) throw new UsageError(`server returned error: HTTP/1.1 ${reply.status} ${reply.reason}`);
    if (options.flags.has('s')) {
      if (!quiet) await proc.err('remote file exists\n');
      return 0;
    }
    await save(fetch, at, reply);
    return 0;
  } catch (error) {
    if (error instanceof ResolveError) throw new UsageError(`bad address '${url.hostname}'`);
    if (error instanceof UnsupportedScheme) throw new UsageError(`not an http or ftp url: ${text}`);
    if (error instanceof TlsError) throw new UsageError(`TLS error: ${error.message}`);
    if (error instanceof HttpParseError) throw new UsageError(`error getting response: ${error.message}`);
    if (!(error instanceof NetError)) throw error;
    if (error.code === 'ETIMEDOUT') throw new UsageError('download timed out');
    throw new UsageError(`can't connect to remote host${/^[\d.]+$/.test(url.hostname) ? ` (${url.hostname})` : ''}: ${netErrorText(error)}`);
  }
};
