import { NetError } from '@orrery/vnet';
import { contentType, findServed } from '../../busybox/httpd.ts';
import { type HttpReply, serveHttp } from '../../net/http-server.ts';
import { ResolveError, readResolvConf } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { type Command, goDuration } from './flags.ts';

function forever(proc: Proc): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => resolve(0));
  });
}

export const pauseCommand: Command = async (proc) => {
  await proc.out('Paused\n');
  return forever(proc);
};

export const serveHostname: Command = async (proc, flags) => {
  const port = flags.number('port', 9376);
  const { hostname } = proc.host;
  if (flags.boolean('http', true) && !flags.boolean('tcp', false)) {
    serveHttp(proc, { ip: '', port }, async () => {
      await proc.out(`HTTP request from client\n`);
      return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: hostname };
    });
  }
  if (flags.boolean('tcp', false)) proc.net.listen({ ip: '', port }, (conn) => void conn.write(Buffer.from(`${hostname}\n`)).then(() => conn.closeWrite(), () => conn.close()));
  if (flags.boolean('udp', false)) {
    const socket = proc.net.udp({ ip: '', port }, (_bytes, from) => socket.send(Buffer.from(hostname), from));
  }
  await proc.out(`Serving on port ${port}.\n`);
  return forever(proc);
};

/** One server for each SERVE_PORT_n: it answers with the variable's value. */
export const porter: Command = (proc) => {
  for (const [name, value] of proc.env) {
    const port = /^SERVE_(?:TLS_)?PORT_(\d+)$/.exec(name)?.[1];
    if (port && !name.startsWith('SERVE_TLS')) serveHttp(proc, { ip: '', port: Number(port) }, () => ({ status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: value }));
  }
  return forever(proc);
};

export const logsGenerator: Command = async (proc, flags) => {
  const total = flags.number('log-lines-total', Number(proc.env.get('LOGS_GENERATOR_LINES_TOTAL') ?? 0));
  const duration = goDuration(flags.get('run-duration') ?? proc.env.get('LOGS_GENERATOR_DURATION') ?? '0s');
  if (total <= 0 || duration <= 0) {
    await proc.err('Invalid total number of lines or duration\n');
    return 255;
  }
  for (let id = 0; id < total; id++) {
    const method = ['GET', 'POST', 'PUT'][proc.random.int(3)];
    const namespace = ['kube-system', 'default', 'ns'][proc.random.int(3)];
    const kind = ['pods', 'endpoints', 'podtemplates'][proc.random.int(3)];
    const iso = new Date(proc.clock.now()).toISOString();
    await proc.out(`I${iso.slice(5, 7)}${iso.slice(8, 10)} ${iso.slice(11, 23)}000       ${proc.pid} logs_generator.go:76] ${id} ${method} /api/v1/namespaces/${namespace}/${kind}/${proc.random.name(4)} ${200 + proc.random.int(400)}\n`);
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

export const connect: Command = async (proc, flags) => {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(flags.operands[0] ?? '') ?? [];
  const timeoutMs = goDuration(flags.get('timeout') ?? '0s') || 30_000;
  try {
    const [ip = ''] = await proc.net.lookup(host);
    (await proc.net.dial({ ip, port: Number(port) }, { timeoutMs })).close();
    return 0;
  } catch (error) {
    if (error instanceof ResolveError) await proc.err('DNS\n');
    else if (error instanceof NetError) await proc.err(`${error.code === 'ECONNREFUSED' ? 'REFUSED' : error.code === 'ETIMEDOUT' ? 'TIMEOUT' : `OTHER: ${error.message}`}\n`);
    else throw error;
    return 1;
  }
};

export const dnsSuffix: Command = async (proc) => {
  await proc.out(`${readResolvConf(proc).search.join(',')}\n`);
  return forever(proc);
};

export const dnsServerList: Command = async (proc) => {
  await proc.out(`${readResolvConf(proc).nameservers.join(',')}\n`);
  return forever(proc);
};

export const etcHosts: Command = async (proc) => {
  await proc.out(proc.fs.readText('/etc/hosts'));
  return forever(proc);
};
