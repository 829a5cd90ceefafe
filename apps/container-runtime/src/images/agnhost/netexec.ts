import { type Endpoint, NetError, formatEndpoint } from '@orrery/vnet';
import { HttpParseError } from '@orrery/http';
import { TlsError, UnsupportedScheme, httpCall } from '../../net/http-client.ts';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import { ResolveError } from '../../net/resolver.ts';
import { collector, nullFile } from '../../process/open-file.ts';
import type { Proc } from '../../process/proc.ts';
import { ExecError } from '../../process/process-table.ts';
import { signals } from '../../process/signals.ts';
import { type Command, goDuration } from './flags.ts';

const text = (body: string, status = 200): HttpReply => ({ status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body });

async function shell(proc: Proc, request: HttpRequest): Promise<HttpReply> {
  const command = request.query.get('shellCommand') ?? request.query.get('cmd') ?? '';
  const output = collector();
  const result: { output?: string; error?: string } = {};
  try {
    const code = await proc.until(proc.spawn({ argv: [request.query.get('shell') ?? '/bin/sh', '-c', command], fds: new Map([[0, nullFile()], [1, output.file], [2, output.file]]) }).exited);
    if (code) result.error = `exit status ${code}`;
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    result.error = error.message;
  }
  if (output.text()) result.output = output.text();
  return text(`${JSON.stringify(result)}`);
}

async function askHttp(proc: Proc, target: { host: string; port: number; request: string }): Promise<string> {
  const url = new URL(`http://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}/${target.request}`);
  const reply = await httpCall(proc, { url, timeoutMs: 5000 });
  const chunks: Uint8Array[] = [];
  for await (const bytes of reply.body) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

async function askUdp(proc: Proc, target: { host: string; port: number; request: string }): Promise<string> {
  const [ip = ''] = await proc.net.lookup(target.host);
  return new Promise<string>((resolve, reject) => {
    const socket = proc.net.udp({ ip: '', port: 0 }, (bytes) => {
      timer.cancel();
      socket.close();
      resolve(Buffer.from(bytes).toString());
    });
    const timer = proc.clock.after(5000, () => {
      socket.close();
      reject(new NetError('ETIMEDOUT', `read udp ${formatEndpoint({ ip, port: target.port })}: i/o timeout`));
    });
    socket.send(Buffer.from(target.request.replace(/^echo\?msg=/, 'echo ')), { ip, port: target.port });
  });
}

/** /dial: asks another pod, so that tests can look at the network from inside. */
async function dial(proc: Proc, request: HttpRequest): Promise<HttpReply> {
  const { query } = request;
  const target = { host: query.get('host') ?? '', port: Number(query.get('port') ?? 0), request: query.get('request') ?? 'hostname' };
  const tries = Number(query.get('tries') ?? 1);
  const protocol = query.get('protocol') ?? 'http';
  if (!target.host || !target.port) return text('host and port are required', 400);
  const responses: string[] = [];
  const errors: string[] = [];
  for (let i = 0; i < tries; i++) {
    try {
      responses.push(await (protocol === 'udp' ? askUdp(proc, target) : askHttp(proc, target)));
    } catch (error) {
      if (!(error instanceof NetError || error instanceof ResolveError || error instanceof HttpParseError || error instanceof UnsupportedScheme || error instanceof TlsError)) throw error;
      errors.push(error.message);
    }
  }
  return text(JSON.stringify({ ...(responses.length ? { responses } : {}), ...(errors.length ? { errors } : {}) }));
}

interface State {
  exiting: boolean;
  stop(code: number): void;
}

async function answer(proc: Proc, request: HttpRequest, state: State): Promise<HttpReply> {
  const { path, query } = request;
  await proc.err(`I ${request.method} ${request.target}\n`);
  switch (path.toLowerCase()) {
    case '/':
      return text(`NOW: ${new Date(proc.clock.now()).toISOString()}`);
    case '/hostname':
      return text(proc.host.hostname);
    case '/clientip':
      return text(`${formatEndpoint(request.remote)}`);
    case '/echo':
      return text(query.get('msg') ?? '', Number(query.get('code') ?? 200));
    case '/header':
      return text(request.headers[(query.get('key') ?? '').toLowerCase()] ?? '');
    case '/healthz':
      return state.exiting ? text('', 412) : text('');
    case '/shell':
      return shell(proc, request);
    case '/dial':
      return dial(proc, request);
    case '/redirect':
      return { status: Number(query.get('code') ?? 302), headers: [['Location', query.get('location') ?? '/'], ['Content-Type', 'text/html; charset=utf-8']], body: '' };
    case '/exit':
    case '/shutdown': {
      state.exiting = true;
      const wait = goDuration(query.get('wait') ?? query.get('timeout') ?? '0s');
      proc.clock.after(Math.max(1, wait), () => state.stop(Number(query.get('code') ?? 0)));
      return text('');
    }
    case '/upload': {
      const name = `upload${proc.random.int(1_000_000_000)}`;
      proc.fs.makeDirs('/uploads');
      proc.fs.writeFile(`/uploads/${name}`, await request.body());
      return text(JSON.stringify({ output: `/uploads/${name}` }), 201);
    }
    default:
      return text('404 page not found\n', 404);
  }
}

function serveUdp(proc: Proc, port: number): void {
  const socket = proc.net.udp({ ip: '', port }, (bytes, from: Endpoint) => {
    const [command = '', ...rest] = Buffer.from(bytes).toString().trim().split(' ');
    const reply = command.toLowerCase() === 'hostname' ? proc.host.hostname : command === 'echo' ? rest.join(' ') : command === 'clientip' ? formatEndpoint(from) : '';
    if (reply) socket.send(Buffer.from(reply), from);
  });
}

export const netexec: Command = async (proc, flags) => {
  const http = flags.number('http-port', 8080);
  const udp = flags.number('udp-port', 8081);
  const delaySeconds = flags.number('delay-shutdown', 0);
  return new Promise<number>((resolve) => {
    const state: State = { exiting: false, stop: resolve };
    if (http > 0) serveHttp(proc, { ip: '', port: http }, (request) => (flags.get('http-override') ? answer(proc, { ...request, path: (flags.get('http-override') as string).split('?')[0] ?? '/', query: new URLSearchParams((flags.get('http-override') as string).split('?')[1]) }, state) : answer(proc, request, state)));
    if (udp > 0) serveUdp(proc, udp);
    void proc.err(`I Started HTTP server on port ${http}\nI Started UDP server on port  ${udp}\n`).catch(() => undefined);
    proc.onSignal(signals.TERM, () => {
      state.exiting = true;
      if (delaySeconds > 0) proc.clock.after(delaySeconds * 1000, () => resolve(0));
      else resolve(143);
    });
  });
};
