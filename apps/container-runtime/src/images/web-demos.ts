import { type HttpReply, type HttpRequest, reasonOf, serveHttp } from '../net/http-server.ts';
import type { Proc, Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';
import { commonLogTime } from './nginx/log-time.ts';

function server(options: { port: (proc: Proc) => number; answer: (proc: Proc, request: HttpRequest) => Promise<HttpReply> | HttpReply; ready?: (proc: Proc) => string }): Program {
  return async (proc) => {
    serveHttp(proc, { ip: '', port: options.port(proc) }, (request) => options.answer(proc, request));
    if (options.ready) await proc.err(`${options.ready(proc)}\n`);
    return new Promise((resolve) => {
      for (const signal of [signals.TERM, signals.INT, signals.QUIT]) proc.onSignal(signal, () => resolve(0));
    });
  };
}

const json = (value: unknown, status = 200): HttpReply => ({ status, headers: [['Content-Type', 'application/json'], ['Access-Control-Allow-Origin', '*'], ['Access-Control-Allow-Credentials', 'true']], body: `${JSON.stringify(value, null, 2)}\n` });

const titled = (request: HttpRequest): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]): [string, string] => [name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => `${dash}${letter.toUpperCase()}`), value]).sort(([a], [b]) => (a < b ? -1 : 1)));

async function echoed(request: HttpRequest): Promise<Record<string, unknown>> {
  const common = { args: Object.fromEntries(request.query), headers: titled(request), origin: request.remote.ip, url: `http://${request.headers['host'] ?? ''}${request.target}` };
  if (request.method === 'GET') return common;
  const data = (await request.body()).toString();
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  let parsed: unknown = null;
  try {
    parsed = isForm || data === '' ? null : JSON.parse(data);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { ...common, data: isForm ? '' : data, files: {}, form: isForm ? Object.fromEntries(new URLSearchParams(data)) : {}, json: parsed };
}

async function httpbinAnswer(proc: Proc, request: HttpRequest): Promise<HttpReply> {
  const [, first = '', second = ''] = request.path.split('/');
  switch (first) {
    case 'get':
    case 'post':
    case 'put':
    case 'patch':
    case 'delete':
      return request.method.toLowerCase() === first || (first === 'get' && request.method === 'HEAD') ? json(await echoed(request)) : { status: 405, headers: [['Allow', first.toUpperCase()]], body: '' };
    case 'anything': return json({ ...(await echoed(request)), method: request.method });
    case 'headers': return json({ headers: titled(request) });
    case 'ip': return json({ origin: request.remote.ip });
    case 'user-agent': return json({ 'user-agent': request.headers['user-agent'] ?? null });
    case 'uuid': return json({ uuid: `${hex(proc, 8)}-${hex(proc, 4)}-4${hex(proc, 3)}-a${hex(proc, 3)}-${hex(proc, 12)}` });
    case 'status': {
      const status = Number(second.split(',')[0]);
      if (!Number.isInteger(status) || status < 100 || status > 999) return { status: 400, body: 'Invalid status code' };
      return { status, reason: reasonOf(status), ...(status >= 301 && status <= 303 ? { headers: [['Location', '/redirect/1']] as const } : {}), body: '' };
    }
    case 'delay':
      await proc.sleep(Math.min(10, Number(second) || 0) * 1000);
      return json(await echoed(request));
    case 'redirect': return { status: 302, headers: [['Location', Number(second) > 1 ? `/redirect/${Number(second) - 1}` : '/get']], body: '' };
    default: return { status: 404, headers: [['Content-Type', 'text/html']], body: '<!DOCTYPE HTML>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>There is nothing at this address.</p>\n' };
  }
}

const hex = (proc: Proc, digits: number): string => Array.from({ length: digits }, () => proc.random.int(16).toString(16)).join('');

export const httpbin: ImageDefinition = {
  names: ['kennethreitz/httpbin', 'kong/httpbin'],
  cmd: ['httpbin'],
  programs: { '/usr/local/bin/httpbin': server({ port: (proc) => Number(proc.env.get('PORT') ?? 80), answer: httpbinAnswer, ready: (proc) => `[INFO] Listening at: http://0.0.0.0:${proc.env.get('PORT') ?? 80} (1)` }) },
  sizeBytes: 183_000_000,
};

export const goHttpbin: ImageDefinition = { ...httpbin, names: ['mccutchen/go-httpbin', 'ghcr.io/mccutchen/go-httpbin'], env: { PORT: '8080' }, sizeBytes: 5_000_000 };

export const nginxHello: ImageDefinition = {
  names: ['nginxdemos/hello', 'nginxdemos/nginx-hello'],
  cmd: ['nginx-hello'],
  stopSignal: 'SIGQUIT',
  programs: {
    '/usr/local/bin/nginx-hello': server({
      port: () => 80,
      answer: (proc, request) => ({
        status: 200,
        headers: [['Server', 'nginx/1.27.5'], ['Content-Type', 'text/plain'], ['Expires', 'Thu, 01 Jan 1970 00:00:01 GMT'], ['Cache-Control', 'no-cache']],
        body: `Server address: ${request.local.ip}:${request.local.port}\nServer name: ${proc.host.hostname}\nDate: ${commonLogTime(proc.clock.now())}\nURI: ${request.target}\nRequest ID: ${hex(proc, 32)}\n`,
      }),
    }),
  },
  sizeBytes: 21_000_000,
};

/** The page of the autoscaling walk-through: each request works for a while. */
export const hpaExample: ImageDefinition = {
  names: ['registry.k8s.io/hpa-example', 'k8s.gcr.io/hpa-example', 'gcr.io/google_containers/hpa-example'],
  cmd: ['apache2-foreground'],
  stopSignal: 'SIGWINCH',
  programs: {
    '/usr/local/bin/apache2-foreground': async (proc) => {
      proc.onSignal(signals.WINCH, () => proc.kill(proc.pid, signals.TERM));
      return server({ port: () => 80, answer: () => ({ status: 200, headers: [['Server', 'Apache/2.4.10 (Debian)'], ['Content-Type', 'text/html; charset=UTF-8']], body: 'OK!' }) })(proc);
    },
  },
  sizeBytes: 180_000_000,
  requestCpuMs: 10,
};
