import { type Endpoint, NetError, formatEndpoint } from '@orrery/vnet';
import { contentType, findServed } from '../../busybox/httpd.ts';
import { type HttpAddress, type HttpReply, serveHttp } from '../../net/http-server.ts';
import { ResolveError, readResolvConf } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { DialFailure, askUdp } from './dial.ts';
import { type Command, goDuration } from './flags.ts';
import { forever } from './forever.ts';
import { goFatal, goLog, goNetError, klogLine } from './go-text.ts';
import { tlsFromFiles } from './tls-flags.ts';

export const pauseCommand: Command = async (proc) => {
  await proc.out('Paused\n');
  return forever(proc);
};

const terminationMs = 60_000;

/** Serves the pod's name; after SIGTERM it goes on for a minute, as a pod that is slow to leave. */
export const serveHostname: Command = async (proc, flags) => {
  const port = flags.number('port', 9376);
  const { hostname } = proc.host;
  const [http, tcp, udp] = [flags.boolean('http', true), flags.boolean('tcp', false), flags.boolean('udp', false)];
  if (http && (tcp || udp)) return goFatal(proc, "Can't server TCP/UDP mode and HTTP mode at the same time");
  if (http) {
    serveHttp(proc, { ip: '', port }, async (request) => {
      await goLog(proc, `HTTP request from ${formatEndpoint(request.remote)}`);
      return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8'], ...(flags.boolean('close', false) ? [['Connection', 'close'] as const] : [])], body: hostname };
    });
  }
  if (tcp) {
    proc.net.listen({ ip: '', port }, (conn) => {
      goLog(proc, `TCP request from ${formatEndpoint(conn.remote)}`).then(() => conn.write(Buffer.from(hostname))).then(() => conn.close(), () => conn.close());
    });
  }
  if (udp) {
    const socket = proc.net.udp({ ip: '', port }, (_bytes, from) => {
      goLog(proc, `UDP request from ${formatEndpoint(from)}`).then(() => socket.send(Buffer.from(hostname), from), () => undefined);
    });
  }
  await goLog(proc, `Serving on port ${port}.`);
  await proc.until(new Promise<void>((resolve) => proc.onSignal(signals.TERM, resolve)));
  await goLog(proc, 'Shutting down after receiving signal: terminated.');
  await goLog(proc, 'Awaiting pod deletion.');
  await proc.sleep(terminationMs);
  return 0;
};

/** TLS for a port of porter; when that cannot be had the other ports are served all the same. */
async function porterTls(proc: Proc, port: string): Promise<HttpAddress['secure']> {
  const [cert, key] = [proc.env.get('CERT_FILE') || 'localhost.crt', proc.env.get('KEY_FILE') || 'localhost.key'];
  try {
    return tlsFromFiles(proc, { cert, key });
  } catch (error) {
    await goLog(proc, `tls server on port ${JSON.stringify(port)} with certFile=${JSON.stringify(cert)}, keyFile=${JSON.stringify(key)} failed: ${(error as Error).message}`);
    return undefined;
  }
}

/** The tags by which Go's servers know a page when nobody says what a body is. */
const pageStart = /^\s*(?:<!doctype html|<(?:html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)|<!--)[ >]/i;

/** A server for each SERVE_PORT_n, SERVE_TCP_PORT_n, SERVE_TLS_PORT_n and SERVE_UDP_PORT_n: it answers with the variable's value. */
export const porter: Command = async (proc, flags) => {
  const json = flags.boolean('json-response', false);
  for (const [name, value] of proc.env) {
    const [, kind = '', port = ''] = /^SERVE_(TCP_|UDP_|TLS_|SCTP_)?PORT_(\d+)$/.exec(name) ?? [];
    if (port === '') continue;
    if (kind === 'UDP_') {
      const socket = proc.net.udp({ ip: '', port: Number(port) }, (_bytes, from) => socket.send(Buffer.from(value), from));
      await goLog(proc, `Started UDP server on port ${port}`);
    } else if (kind === 'SCTP_') await goLog(proc, `server on port ${JSON.stringify(port)} failed: SCTP is not emulated`);
    else {
      const secure = kind === 'TLS_' ? await porterTls(proc, port) : undefined;
      if (kind === 'TLS_' && !secure) continue;
      serveHttp(proc, { ip: '', port: Number(port), secure }, ({ method }) => ({ status: 200, headers: [['Content-Type', json ? 'application/json' : `${pageStart.test(value) ? 'text/html' : 'text/plain'}; charset=utf-8`]], body: json ? JSON.stringify({ Method: method, Body: value }) : value }));
    }
  }
  return forever(proc);
};

/** API-server-like log lines, spread evenly over the run. */
export const logsGenerator: Command = async (proc, flags) => {
  const total = flags.number('log-lines-total', flags.number('t', 0));
  const shown = flags.get('run-duration') ?? flags.get('d') ?? '0s';
  const duration = goDuration(shown);
  const fatal = async (text: string): Promise<number> => {
    await proc.err(klogLine(proc, { level: 'F', source: 'logs_generator.go:67', text }));
    return 255;
  };
  if (total <= 0) return fatal(`Invalid total number of lines: ${total}`);
  if (duration <= 0) return fatal(`Invalid duration: ${shown}`);
  const one = (names: readonly string[]): string => names[proc.random.int(names.length)] ?? '';
  for (let id = 0; id < total; id++) {
    const line = `${id} ${one(['GET', 'POST', 'PUT'])} /api/v1/namespaces/${one(['kube-system', 'default', 'ns'])}/pods/${proc.random.name(3 + proc.random.int(2))} ${200 + proc.random.int(400)}`;
    await proc.err(klogLine(proc, { level: 'I', source: 'logs_generator.go:76', text: line }));
    await proc.sleep(duration / total);
  }
  return 0;
};

export const entrypointTester: Command = async (proc) => {
  await proc.out(`[${proc.argv.join(' ')}]\n`);
  return 0;
};

/** Healthy for ten seconds, then not. */
export const liveness: Command = (proc) => {
  const start = proc.clock.monotonic();
  serveHttp(proc, { ip: '', port: 8080 }, (request): HttpReply => {
    const seconds = (proc.clock.monotonic() - start) / 1000;
    if (request.path === '/started') return { status: 200, body: `${seconds}` };
    if (request.path === '/redirect') return { status: 302, headers: [['Location', request.query.get('loc') ?? '']] };
    if (request.path !== '/healthz') return { status: 404, body: '404 page not found\n' };
    return seconds > 10 ? { status: 500, body: `error: ${seconds}` } : { status: 200, body: 'ok' };
  });
  return forever(proc);
};

export const testWebserver: Command = async (proc, flags) => {
  const port = flags.number('port', 80);
  serveHttp(proc, { ip: '', port }, (request): HttpReply => {
    const found = findServed(proc, '/', { path: request.path, index: ['index.html'] });
    if ('file' in found) return { status: 200, headers: [['Content-Type', contentType(found.file, 'text/plain')]], body: proc.fs.readFile(found.file) };
    if (!found.directory) return { status: found.status, body: '404 page not found\n' };
    const names = proc.fs.list(found.directory).map((name) => (proc.fs.isDirectory(`${found.directory === '/' ? '' : found.directory}/${name}`) ? `${name}/` : name));
    return { status: 200, headers: [['Content-Type', 'text/html; charset=utf-8']], body: `<pre>\n${names.map((name) => `<a href="${encodeURI(name)}">${name}</a>\n`).join('')}</pre>\n` };
  });
  await proc.err(`Listening on port ${port}\n`);
  return forever(proc);
};

/** Tries to connect and says what came in the way with a fixed word. */
export const connect: Command = async (proc, flags) => {
  const target = flags.operands[0] ?? '';
  const [, host = '', port = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(target)?.filter((part) => part !== undefined) ?? [];
  const protocol = flags.get('protocol') ?? 'tcp';
  const timeoutMs = goDuration(flags.get('timeout') ?? '0s');
  const failed = async (text: string): Promise<number> => {
    await proc.err(`${text}\n`);
    return 1;
  };
  if (!['', 'tcp', 'udp'].includes(protocol)) return failed('Unsupported protocol');
  if (port === '') return failed(`UNKNOWN: address ${target}: missing port in address`);
  const network = protocol === 'udp' ? 'udp' : 'tcp';
  let endpoint: Endpoint | undefined;
  try {
    const [ip = ''] = await proc.net.lookup(host);
    endpoint = { ip, port: Number(port) };
    if (network === 'udp') await askUdp(proc, { ...endpoint, request: `${flags.get('udp-data') ?? 'hostname'}\n`, ...(timeoutMs ? { timeoutMs } : { timeoutMs: Number.MAX_SAFE_INTEGER }) });
    else (await proc.net.dial(endpoint, timeoutMs ? { timeoutMs } : {})).close();
    return 0;
  } catch (error) {
    if (error instanceof DialFailure) return failed(`TIMEOUT: ${/read udp.*timeout/.exec(error.message)?.[0] ?? error.message}`);
    if (!(error instanceof ResolveError || error instanceof NetError)) throw error;
    const text = goNetError(error, { network, host, ...(endpoint ? { endpoint } : {}) });
    if (error instanceof ResolveError) return failed(`DNS: ${text}`);
    return failed(error.code === 'ETIMEDOUT' ? 'TIMEOUT' : error.code === 'ECONNREFUSED' ? 'REFUSED' : `OTHER: ${text}`);
  }
};

export const dnsSuffix: Command = async (proc) => {
  await proc.out(`${readResolvConf(proc).search.join(',')}\n`);
  return 0;
};

export const dnsServerList: Command = async (proc) => {
  await proc.out(`${readResolvConf(proc).nameservers.join(',')}\n`);
  return 0;
};

export const etcHosts: Command = async (proc) => {
  await proc.out(`${proc.fs.readText('/etc/hosts')}\n`);
  return 0;
};
