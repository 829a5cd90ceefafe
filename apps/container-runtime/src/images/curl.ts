import { type ExchangeReply, HttpParseError } from '@orrery/http';
import { NetError } from '@orrery/vnet';
import { type HttpCall, TlsError, UnsupportedScheme, httpCall, parseUrl } from '../net/http-client.ts';
import { ResolveError } from '../net/resolver.ts';
import { openPath, readAll } from '../process/files.ts';
import type { Proc, Program } from '../process/proc.ts';
import { type Options, UsageError, parseDuration, parseOptions } from '../busybox/applet.ts';
import type { ImageDefinition } from './define-image.ts';

/** A failure with curl's exit code. */
class CurlError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const long: Readonly<Record<string, string>> = {
  silent: 's', 'show-error': 'S', fail: 'f', 'fail-with-body': 'f', location: 'L', include: 'i', head: 'I', verbose: 'v', insecure: 'k', 'no-progress-meter': 's', http1: '1', 'http1.1': '1', compressed: '1', globoff: 'g', 'no-buffer': 'N', disable: 'q', ipv4: '4', ipv6: '6', 'retry-connrefused': 'C', 'retry-all-errors': 'C',
  output: 'o:', request: 'X:', header: 'H:', data: 'd:', 'data-raw': 'D:', 'data-binary': 'B:', 'data-urlencode': 'U:', 'max-time': 'm:', 'connect-timeout': 'c:', 'write-out': 'w:', user: 'u:', 'user-agent': 'A:', retry: 'r:', 'retry-delay': 'y:', 'retry-max-time': 'z:', resolve: 'R:', 'connect-to': 'T:', url: 'l:', interface: 'a:', referer: 'e:', cookie: 'b:', json: 'j:', cacert: 'Q:', cert: 'E:', key: 'K:', 'max-redirs': 'x:',
};

async function dataOf(proc: Proc, options: Options): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  for (const [option, value] of options.all) {
    if (!'dDBUj'.includes(option)) continue;
    if (option !== 'D' && value.startsWith('@')) {
      const file = value === '@-' ? proc.fds.get(0)?.retain() : openPath(proc, value.slice(1), { read: true });
      const bytes = file ? await readAll(proc, file) : Buffer.alloc(0);
      file?.release();
      parts.push(option === 'd' ? Buffer.from(bytes.toString().replace(/[\r\n]/g, '')) : bytes);
    } else if (option === 'U') {
      const [name, rest] = value.split(/=(.*)/s);
      parts.push(Buffer.from(rest === undefined ? encodeURIComponent(value) : `${name ? `${name}=` : ''}${encodeURIComponent(rest)}`));
    } else parts.push(Buffer.from(value));
  }
  return parts.length ? Buffer.concat(parts.flatMap((part, i) => (i ? [Buffer.from('&'), part] : [part]))) : undefined;
}

function tlsOf(proc: Proc, { flags, values }: Options): NonNullable<HttpCall['tls']> {
  const read = (path: string | undefined): string | undefined => (path === undefined ? undefined : proc.fs.readText(proc.path(path)));
  const ca = read(values.get('Q') ?? proc.env.get('CURL_CA_BUNDLE') ?? proc.env.get('SSL_CERT_FILE'));
  const cert = read(values.get('E'));
  const key = read(values.get('K') ?? values.get('E'));
  if (flags.has('k')) return { verify: false, ...(cert && key ? { cert, key } : {}) };
  return { verify: true, ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) };
}

interface Result {
  readonly reply: ExchangeReply;
  readonly url: URL;
  readonly connectMs: number;
  readonly redirects: number;
}

function overridden(options: Options, url: URL): { ip: string; port: number } | undefined {
  const port = Number(url.port || 80);
  for (const [option, value] of options.all) {
    if (option !== 'R') continue;
    const [host, at, ip] = value.split(':');
    if (host === url.hostname && Number(at) === port && ip) return { ip, port };
  }
  return undefined;
}

async function perform(proc: Proc, options: Options, url: URL): Promise<Result> {
  const { flags, values } = options;
  let body = await dataOf(proc, options);
  let method = values.get('X') ?? (flags.has('I') ? 'HEAD' : body && !flags.has('G') ? 'POST' : 'GET');
  let current = url;
  if (flags.has('G') && body) {
    current.search = [current.search.slice(1), body.toString()].filter(Boolean).join('&');
    body = undefined;
  }
  const custom = options.all.filter(([option]) => option === 'H').map(([, line]): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const given = new Set(custom.map(([name]) => name.toLowerCase()));
  const defaults: [string, string][] = [['User-Agent', values.get('A') ?? 'curl/8.14.1'], ['Accept', values.has('j') ? 'application/json' : '*/*']];
  if (values.has('u')) defaults.push(['Authorization', `Basic ${Buffer.from(values.get('u') as string).toString('base64')}`]);
  if (values.has('b')) defaults.push(['Cookie', values.get('b') as string]);
  if (values.has('e')) defaults.push(['Referer', values.get('e') as string]);
  if (body) defaults.push(['Content-Type', values.has('j') ? 'application/json' : 'application/x-www-form-urlencoded']);
  const limit = values.get('m') ?? values.get('c');
  const start = proc.clock.monotonic();
  for (let redirects = 0; ; redirects++) {
    if (redirects > Number(values.get('x') ?? 50)) throw new CurlError(47, 'Maximum (50) redirects followed');
    const headers = [...defaults.filter(([name]) => !given.has(name.toLowerCase())), ...custom.filter(([, value]) => value !== '')];
    const at = overridden(options, current);
    const target = current;
    const reply = await httpCall(proc, {
      url: current,
      method,
      headers,
      ...(body ? { body } : {}),
      ...(at ? { address: at } : {}),
      tls: tlsOf(proc, options),
      ...(limit === undefined ? {} : { timeoutMs: parseDuration(limit) * 1000 }),
      onAddress: async (ip, port) => {
        if (flags.has('v')) await proc.err(`*   Trying ${ip}:${port}...\n* Connected to ${target.hostname} (${ip}) port ${port}\n> ${method} ${target.pathname}${target.search} HTTP/1.1\n> Host: ${target.host}\n${headers.map(([n, v]) => `> ${n}: ${v}\n`).join('')}> \n`);
      },
    });
    if (flags.has('v')) await proc.err(`< HTTP/1.1 ${reply.status} ${reply.reason}\n${reply.headers.map(([n, v]) => `< ${n}: ${v}\n`).join('')}< \n`);
    const location = reply.headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
    if (!flags.has('L') || reply.status < 300 || reply.status >= 400 || !location) return { reply, url: current, connectMs: proc.clock.monotonic() - start, redirects };
    for await (const _ of reply.body) continue;
    current = new URL(location, current);
    if (reply.status === 303 || (reply.status < 303 && method === 'POST' && !values.has('X'))) {
      method = 'GET';
      body = undefined;
    }
  }
}

function explain(error: unknown, url: URL): CurlError {
  const port = url.port || (url.protocol === 'https:' ? 443 : 80);
  if (error instanceof CurlError) return error;
  if (error instanceof ResolveError) return new CurlError(6, `Could not resolve host: ${url.hostname}`);
  if (error instanceof UnsupportedScheme) return new CurlError(1, `Protocol "${url.protocol.slice(0, -1)}" not supported`);
  if (error instanceof TlsError) return new CurlError(/certificate|altnames|issuer/i.test(error.message) ? 60 : 35, `SSL certificate problem: ${error.message}`);
  if (error instanceof HttpParseError) return new CurlError(52, 'Empty reply from server');
  if (error instanceof NetError) {
    if (error.code === 'ETIMEDOUT') return new CurlError(28, `Failed to connect to ${url.hostname} port ${port}: Timeout was reached`);
    if (error.code === 'ECONNRESET') return new CurlError(56, 'Recv failure: Connection reset by peer');
    return new CurlError(7, `Failed to connect to ${url.hostname} port ${port}: ${error.code === 'ECONNREFUSED' ? 'Connection refused' : 'No route to host'}`);
  }
  throw error;
}

function writeOut(format: string, facts: Readonly<Record<string, string>>): string {
  return format.replace(/%\{(\w+)\}|\\n|\\t|\\r|%%/g, (all, name?: string) => (name ? (facts[name] ?? '') : ({ '\\n': '\n', '\\t': '\t', '\\r': '\r', '%%': '%' }[all] ?? all)));
}

async function fetchOne(proc: Proc, options: Options, url: URL): Promise<number> {
  const { flags, values } = options;
  const { reply, url: final, connectMs, redirects } = await perform(proc, options, url);
  const failed = flags.has('f') && reply.status >= 400;
  const name = flags.has('O') ? (url.pathname.split('/').at(-1) ?? '') : values.get('o');
  const file = name === undefined || name === '-' ? proc.fds.get(1)?.retain() : openPath(proc, name, { write: true, create: true, truncate: true });
  let size = 0;
  try {
    if (flags.has('i') || flags.has('I')) await file?.write(Buffer.from(`HTTP/1.1 ${reply.status} ${reply.reason}\r\n${reply.headers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`), proc.signal);
    for await (const bytes of reply.body) {
      size += bytes.length;
      if (!failed) await file?.write(bytes, proc.signal);
    }
  } finally {
    file?.release();
  }
  const seconds = (connectMs / 1000).toFixed(6);
  if (values.has('w')) {
    await proc.out(writeOut(values.get('w') as string, {
      http_code: String(reply.status).padStart(3, '0'), response_code: String(reply.status), size_download: String(size), time_total: seconds, time_connect: seconds, time_starttransfer: seconds, time_namelookup: '0.000100', url_effective: final.href, num_redirects: String(redirects), content_type: reply.headers.find(([n]) => n.toLowerCase() === 'content-type')?.[1] ?? '', remote_port: final.port || '80', http_version: '1.1', scheme: 'http', method: values.get('X') ?? 'GET', exitcode: failed ? '22' : '0',
    }));
  }
  if (failed) throw new CurlError(22, `The requested URL returned error: ${reply.status}`);
  return 0;
}

/** curl: the flags that scripts in pods use. */
export const curl: Program = async (proc) => {
  let options: Options;
  try {
    options = parseOptions(proc.argv.slice(1), 'qsSfLiIvkgN46GOno:X:H:d:m:w:u:A:b:e:E:', { long });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await proc.err(`curl: ${error.message}\ncurl: try 'curl --help' for more information\n`);
    return 2;
  }
  const urls = [...options.all.filter(([option]) => option === 'l').map(([, value]) => value), ...options.operands];
  if (!urls.length) {
    await proc.err("curl: (2) no URL specified\ncurl: try 'curl --help' for more information\n");
    return 2;
  }
  let status = 0;
  for (const text of urls) {
    const url = parseUrl(text);
    if (!url) {
      await proc.err('curl: (3) URL rejected: Malformed input to a URL function\n');
      status = 3;
      continue;
    }
    status = await withRetries(proc, options, url);
  }
  return status;
};

async function withRetries(proc: Proc, options: Options, url: URL): Promise<number> {
  const { flags, values } = options;
  for (let left = Number(values.get('r') ?? 0); ; left--) {
    try {
      return await fetchOne(proc, options, url);
    } catch (error) {
      const why = explain(error, url);
      const transient = why.code === 28 || (flags.has('C') && [7, 6, 52, 56, 22].includes(why.code)) || (why.code === 22 && /50[0-4]|429|408/.test(why.message));
      if (left > 0 && transient) {
        await proc.sleep(parseDuration(values.get('y') ?? '1') * 1000);
        continue;
      }
      if (!flags.has('s') || flags.has('S')) await proc.err(`curl: (${why.code}) ${why.message}\n`);
      if (values.has('w') && why.code !== 22) await proc.out(writeOut(values.get('w') as string, { http_code: '000', response_code: '000', exitcode: String(why.code), time_total: '0.000000', url_effective: url.href, errormsg: why.message }));
      return why.code;
    }
  }
}

export const curlImage: ImageDefinition = {
  names: ['curlimages/curl', 'quay.io/curl/curl', 'registry.k8s.io/e2e-test-images/curl'],
  entrypoint: ['/entrypoint.sh'],
  cmd: ['curl'],
  user: '100:101',
  programs: {
    '/usr/bin/curl': curl,
    // As the real one: becomes curl, or the command when it is one.
    '/entrypoint.sh': (proc) => {
      const [first = '', ...rest] = proc.argv.slice(1);
      const isCommand = first !== '' && !first.startsWith('-') && proc.which(first) !== undefined;
      return proc.exec({ argv: isCommand ? [first, ...rest] : ['curl', ...proc.argv.slice(1)] });
    },
  },
  sizeBytes: 9_400_000,
};

export const curlAlpines: ImageDefinition = {
  names: ['alpine/curl', 'nicolaka/netshoot', 'radial/busyboxplus', 'yauritux/busybox-curl', 'praqma/network-multitool', 'wbitt/network-multitool'],
  cmd: ['sh'],
  programs: { '/usr/bin/curl': curl },
  lenient: true,
  sizeBytes: 12_000_000,
};
