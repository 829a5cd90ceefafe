import { contentType, findServed } from '../busybox/httpd.ts';
import { parseOptions } from '../busybox/applet.ts';
import { type HttpReply, type HttpRequest, httpDate, serveHttp } from '../net/http-server.ts';
import type { Proc, Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';
import { commonLogTime } from './nginx/log-time.ts';

/** Waits for the signals that end a server. */
function untilStopped(proc: Proc): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT, signals.WINCH]) proc.onSignal(signal, () => resolve(0));
  });
}

const apacheRoot = '/usr/local/apache2/htdocs';

const httpdForeground: Program = async (proc) => {
  serveHttp(proc, { ip: '', port: 80 }, async (request): Promise<HttpReply> => {
    const found = findServed(proc, apacheRoot, { path: request.path, index: ['index.html'] });
    const server: [string, string] = ['Server', 'Apache/2.4.65 (Unix)'];
    const log = (status: number, size: number): Promise<void> => proc.out(`${request.remote.ip} - - [${commonLogTime(proc.clock.now())}] "${request.method} ${request.target} HTTP/1.1" ${status} ${size}\n`);
    if (!('file' in found)) {
      const [title, text] = found.status === 301 ? ['301 Moved Permanently', 'The document has moved.'] : found.status === 403 ? ['403 Forbidden', "You don't have permission to access this resource."] : ['404 Not Found', 'The requested URL was not found on this server.'];
      const body = `<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>${title}</title>\n</head><body>\n<h1>${title.slice(4)}</h1>\n<p>${text}</p>\n</body></html>\n`;
      await log(found.status, body.length);
      return { status: found.status, headers: [server, ['Content-Type', 'text/html; charset=iso-8859-1'], ...(found.status === 301 ? [['Location', `${request.path}/`] as const] : [])], body };
    }
    const bytes = proc.fs.readFile(found.file);
    await log(200, bytes.length);
    return { status: 200, headers: [server, ['Last-Modified', httpDate(proc.fs.stat(found.file).mtimeMs)], ['Content-Type', contentType(found.file, 'text/plain')]], body: bytes };
  });
  await proc.err("AH00094: Command line: 'httpd -D FOREGROUND'\n");
  return untilStopped(proc);
};

export const httpdImage: ImageDefinition = {
  names: ['httpd', 'registry.k8s.io/e2e-test-images/httpd', 'public.ecr.aws/docker/library/httpd'],
  cmd: ['httpd-foreground'],
  workdir: '/usr/local/apache2',
  env: { HTTPD_PREFIX: '/usr/local/apache2', PATH: '/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  stopSignal: 'SIGWINCH',
  files: { [`${apacheRoot}/index.html`]: '<html><body><h1>It works!</h1></body></html>\n' },
  programs: { '/usr/local/bin/httpd-foreground': httpdForeground },
  sizeBytes: 45_300_000,
  memoryBytes: 7 * 1024 * 1024,
};

/** Flags in Go's manner: `-text=x`, `-text x`, `--text`. */
export function goFlag(args: readonly string[], name: string): string | undefined {
  for (const [i, arg] of args.entries()) {
    const [flag, value] = arg.replace(/^--?/, '').split(/=(.*)/s);
    if (arg.startsWith('-') && flag === name) return value ?? args[i + 1];
  }
  return undefined;
}

const portOf = (listen: string): number => Number(listen.slice(listen.lastIndexOf(':') + 1));

const httpEcho: Program = async (proc) => {
  const text = goFlag(proc.argv, 'text') ?? proc.env.get('ECHO_TEXT');
  if (text === undefined) {
    await proc.err('Missing -text option!\n');
    return 127;
  }
  const listen = goFlag(proc.argv, 'listen') ?? ':5678';
  const status = Number(goFlag(proc.argv, 'status-code') ?? 200);
  serveHttp(proc, { ip: '', port: portOf(listen) }, async (request) => {
    await proc.out(`${new Date(proc.clock.now()).toISOString()} ${request.headers['host'] ?? ''} ${request.remote.ip}:${request.remote.port} "${request.method} ${request.target} HTTP/1.1" ${status} ${text.length + 1} "${request.headers['user-agent'] ?? ''}"\n`);
    return { status, headers: [['X-App-Name', 'http-echo'], ['X-App-Version', '1.0.0'], ['Content-Type', 'text/plain; charset=utf-8']], body: request.path === '/health' ? '{"status":"ok"}\n' : `${text}\n` };
  });
  await proc.out(`${new Date(proc.clock.now()).toISOString()} [INFO] server is listening on ${listen}\n`);
  return untilStopped(proc);
};

export const httpEchoImage: ImageDefinition = {
  names: ['hashicorp/http-echo'],
  base: 'none',
  entrypoint: ['/http-echo'],
  programs: { '/http-echo': httpEcho },
  sizeBytes: 3_000_000,
};

function rawRequest(request: HttpRequest): string {
  return `${request.method} ${request.target} HTTP/1.1\n${request.headerList.map(([name, value]) => `${name}: ${value}\n`).join('')}`;
}

const whoami: Program = async (proc) => {
  const port = Number(goFlag(proc.argv, 'port') ?? proc.env.get('WHOAMI_PORT_NUMBER') ?? 80);
  const name = goFlag(proc.argv, 'name') ?? proc.env.get('WHOAMI_NAME');
  serveHttp(proc, { ip: '', port }, (request): HttpReply => {
    if (request.path === '/health') return { status: 200 };
    const ips = ['127.0.0.1', ...proc.net.stack.ips];
    if (request.path === '/api') {
      const data = { hostname: proc.host.hostname, ip: ips, headers: Object.fromEntries(request.headerList.map(([n, v]) => [n, [v]])), url: request.target, host: request.headers['host'] ?? '', method: request.method, remoteAddr: `${request.remote.ip}:${request.remote.port}`, ...(name ? { name } : {}) };
      return { status: 200, headers: [['Content-Type', 'application/json']], body: `${JSON.stringify(data)}\n` };
    }
    const lines = [...(name ? [`Name: ${name}`] : []), `Hostname: ${proc.host.hostname}`, ...ips.map((ip) => `IP: ${ip}`), `RemoteAddr: ${request.remote.ip}:${request.remote.port}`];
    return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: `${lines.join('\n')}\n${rawRequest(request)}\n` };
  });
  await proc.err(`${new Date(proc.clock.now()).toISOString()} Starting up on port ${port}\n`);
  return untilStopped(proc);
};

export const whoamiImage: ImageDefinition = {
  names: ['traefik/whoami', 'containous/whoami'],
  base: 'none',
  entrypoint: ['/whoami'],
  programs: { '/whoami': whoami },
  sizeBytes: 2_800_000,
};

const helloApp: Program = async (proc) => {
  const version = proc.env.get('HELLO_APP_VERSION') ?? '1.0.0';
  const port = Number(proc.env.get('PORT') ?? 8080);
  serveHttp(proc, { ip: '', port }, async (request) => {
    await proc.err(`${new Date(proc.clock.now()).toISOString()} Serving request: ${request.path}\n`);
    return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: `Hello, world!\nVersion: ${version}\nHostname: ${proc.host.hostname}\n` };
  });
  await proc.err(`${new Date(proc.clock.now()).toISOString()} Server listening on port ${port}\n`);
  return untilStopped(proc);
};

export const helloAppImage: ImageDefinition = {
  names: ['gcr.io/google-samples/hello-app', 'us-docker.pkg.dev/google-samples/containers/gke/hello-app'],
  base: 'none',
  entrypoint: ['/hello-app'],
  tagEnv: { '2.0': { HELLO_APP_VERSION: '2.0.0' } },
  programs: { '/hello-app': helloApp },
  sizeBytes: 11_500_000,
};

const echoServer: Program = async (proc) => {
  const port = Number(proc.env.get('PORT') ?? 80);
  serveHttp(proc, { ip: '', port }, async (request) => {
    const query = Object.fromEntries(request.query);
    const status = Number(query['echo_code'] ?? request.headers['x-echo-code'] ?? 200);
    const body = query['echo_body'] ?? JSON.stringify({ host: { hostname: (request.headers['host'] ?? '').replace(/:\d+$/, ''), ip: request.remote.ip, ips: [] }, http: { method: request.method, baseUrl: '', originalUrl: request.target, protocol: 'http' }, request: { params: {}, query, cookies: {}, body: (await request.body()).toString(), headers: request.headers }, environment: Object.fromEntries(proc.env) });
    return { status: Number.isInteger(status) && status >= 200 && status < 600 ? status : 200, headers: [['Content-Type', 'application/json; charset=utf-8']], body };
  });
  await proc.out(`Listening on port ${port}.\n`);
  return untilStopped(proc);
};

export const echoServerImage: ImageDefinition = {
  names: ['ealen/echo-server'],
  workdir: '/app',
  cmd: ['/usr/local/bin/echo-server'],
  programs: { '/usr/local/bin/echo-server': echoServer },
  sizeBytes: 47_000_000,
};

/** registry.k8s.io/echoserver: what it received, as text. */
const echoText: Program = async (proc) => {
  serveHttp(proc, { ip: '', port: 8080 }, async (request) => ({
    status: 200,
    headers: [['Content-Type', 'text/plain']],
    body: `\n\nHostname: ${proc.host.hostname}\n\nPod Information:\n\t-no pod information available-\n\nServer values:\n\tserver_version=nginx\n\nRequest Information:\n\tclient_address=${request.remote.ip}\n\tmethod=${request.method}\n\treal path=${request.target}\n\trequest_version=1.1\n\trequest_uri=http://${request.headers['host'] ?? ''}:8080${request.target}\n\nRequest Headers:\n${request.headerList.map(([name, value]) => `\t${name.toLowerCase()}=${value}\n`).join('')}\nRequest Body:\n${(await request.body()).toString() || '\t-no body in request-\n'}\n`,
  }));
  return untilStopped(proc);
};

export const echoTextImage: ImageDefinition = {
  names: ['registry.k8s.io/echoserver', 'k8s.gcr.io/echoserver', 'gcr.io/google_containers/echoserver', 'registry.k8s.io/e2e-test-images/echoserver', 'gcr.io/kubernetes-e2e-test-images/echoserver', 'kicbase/echo-server'],
  cmd: ['/usr/local/bin/echoserver'],
  programs: { '/usr/local/bin/echoserver': echoText },
  sizeBytes: 43_700_000,
};

/** `python -m http.server [port] [--directory dir]`; anything else of python or node is not emulated. */
const python: Program = async (proc) => {
  const args = proc.argv.slice(1);
  if (args[0] === '--version' || args[0] === '-V') {
    await proc.out('Python 3.13.1\n');
    return 0;
  }
  if (args[0] === '-m' && args[1] === 'http.server') {
    const { values, operands } = parseOptions(args.slice(2), 'd:b:', { long: { directory: 'd:', bind: 'b:' } });
    const port = Number(operands[0] ?? 8000);
    const root = proc.path(values.get('d') ?? '.');
    serveHttp(proc, { ip: '', port }, async (request): Promise<HttpReply> => {
      const found = findServed(proc, root, { path: request.path, index: ['index.html'] });
      const listing = 'directory' in found && found.directory ? proc.fs.list(found.directory) : undefined;
      const status = 'file' in found || listing ? 200 : found.status;
      await proc.err(`${request.remote.ip} - - "${request.method} ${request.target} HTTP/1.1" ${status} -\n`);
      if ('file' in found) return { status: 200, headers: [['Content-type', contentType(found.file)]], body: proc.fs.readFile(found.file) };
      if (listing) return { status: 200, headers: [['Content-type', 'text/html; charset=utf-8']], body: `<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<title>Directory listing for ${request.path}</title>\n</head>\n<body>\n<h1>Directory listing for ${request.path}</h1>\n<hr>\n<ul>\n${listing.map((name) => `<li><a href="${encodeURI(name)}">${name}</a></li>\n`).join('')}</ul>\n<hr>\n</body>\n</html>\n` };
      return status === 301 ? { status, headers: [['Location', `${request.path}/`]] } : { status, body: `Error code: ${status}\n` };
    });
    await proc.out(`Serving HTTP on 0.0.0.0 port ${port} (http://0.0.0.0:${port}/) ...\n`);
  }
  return untilStopped(proc);
};

export const pythonImage: ImageDefinition = {
  names: ['python'],
  cmd: ['python3'],
  programs: { '/usr/local/bin/python3': python, '/usr/local/bin/python': python },
  sizeBytes: 364_000_000,
  lenient: true,
};
