import { FsError } from '../../fs/fs-error.ts';
import { NetError } from '@orrery/vnet';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { globPaths } from '../../shell/glob.ts';
import { openPath } from '../../process/files.ts';
import type { ImageDefinition } from '../define-image.ts';
import { type Directive, type NginxConfig, NginxConfigError, interpret, parseNginx, setting } from './config.ts';
import { nginxFiles } from './files.ts';
import { respond } from './serve.ts';

const mainFile = '/etc/nginx/nginx.conf';
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function load(proc: Proc, file: string): NginxConfig {
  const read = (path: string): Directive[] => {
    try {
      return parseNginx(proc.fs.readText(path), path, (pattern) => {
        const full = pattern.startsWith('/') ? pattern : `/etc/nginx/${pattern}`;
        return globPaths(proc.fs, full, (p) => p).flatMap(read);
      });
    } catch (error) {
      if (error instanceof FsError) throw new NginxConfigError(`open() "${path}" failed (2: No such file or directory)`);
      throw error;
    }
  };
  return interpret(read(file));
}

function stamp(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `${iso.slice(8, 10)}/${months[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

function notice(proc: Proc, text: string): Promise<void> {
  const iso = new Date(proc.clock.now()).toISOString();
  return proc.err(`${iso.slice(0, 10).replaceAll('-', '/')} ${iso.slice(11, 19)} [notice] ${proc.pid}#${proc.pid}: ${text}\n`);
}

async function accessLog(proc: Proc, options: { request: HttpRequest; status: number; bytes: number; path: string }): Promise<void> {
  const { request, status, bytes, path } = options;
  const line = `${request.remote.ip} - - [${stamp(proc.clock.now())}] "${request.method} ${request.target} HTTP/1.1" ${status} ${bytes} "${request.headers['referer'] ?? '-'}" "${request.headers['user-agent'] ?? '-'}" "${request.headers['x-forwarded-for'] ?? '-'}"\n`;
  const file = openPath(proc, path, { write: true, create: true, append: true });
  try {
    await file.write(Buffer.from(line));
  } finally {
    file.release();
  }
}

function bodyBytes({ body = '' }: HttpReply): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body instanceof Uint8Array ? body.length : 0;
}

class Listening {
  private readonly proc: Proc;
  private config: NginxConfig;
  private readonly listeners = new Map<string, { close(): void }>();

  constructor(proc: Proc, config: NginxConfig) {
    this.proc = proc;
    this.config = config;
  }

  /** Opens what the configuration listens on and closes what it no longer does. Throws NetError. */
  apply(config: NginxConfig): void {
    this.config = config;
    const wanted = new Map(config.servers.flatMap((server) => server.listens.filter((l) => !l.ip.includes(':')).map((l): [string, typeof l] => [`${l.ip}:${l.port}`, l])));
    for (const [key, listener] of this.listeners) {
      if (wanted.has(key)) continue;
      listener.close();
      this.listeners.delete(key);
    }
    for (const [key, at] of wanted) if (!this.listeners.has(key)) this.listeners.set(key, serveHttp(this.proc, at, (request) => this.answer(request)));
  }

  private async answer(request: HttpRequest): Promise<HttpReply> {
    const reply = await respond(this.proc, this.config, request);
    const log = setting([this.config.http], 'access_log');
    if (log?.[0] !== 'off') await accessLog(this.proc, { request, status: reply.status, bytes: request.method === 'HEAD' ? 0 : bodyBytes(reply), path: log?.[0] ?? '/var/log/nginx/access.log' });
    return reply;
  }
}

async function serve(proc: Proc, file: string): Promise<number> {
  const config = load(proc, file);
  const listening = new Listening(proc, config);
  try {
    listening.apply(config);
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    await proc.err(`nginx: [emerg] bind() failed (98: Address already in use)\n`);
    return 1;
  }
  for (const text of ['using the "epoll" event method', 'nginx/1.29.3', 'start worker processes']) await notice(proc, text);
  return new Promise<number>((resolve) => {
    const quit = (signal: string) => () => void notice(proc, `signal ${signal} received, ${signal.startsWith('3') ? 'shutting down' : 'exiting'}`).then(() => resolve(0), () => resolve(0));
    proc.onSignal(signals.QUIT, quit('3 (SIGQUIT)'));
    proc.onSignal(signals.TERM, quit('15 (SIGTERM)'));
    proc.onSignal(signals.INT, quit('2 (SIGINT)'));
    proc.onSignal(signals.HUP, () => {
      try {
        listening.apply(load(proc, file));
        void notice(proc, 'signal 1 (SIGHUP) received, reconfiguring').catch(() => undefined);
      } catch (error) {
        void proc.err(`nginx: [emerg] ${(error as Error).message}\n`).catch(() => undefined);
      }
    });
  });
}

/** nginx [-g directives] [-t] [-T] [-v] [-s signal] [-c file]. */
export async function nginxProgram(proc: Proc): Promise<number> {
  const args = proc.argv.slice(1);
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const file = option('-c') ?? mainFile;
  if (args.includes('-v') || args.includes('-V')) {
    await proc.err('nginx version: nginx/1.29.3\n');
    return 0;
  }
  const signal = option('-s');
  if (signal) {
    const sent = proc.kill(1, { reload: signals.HUP, stop: signals.TERM, quit: signals.QUIT, reopen: signals.USR1 }[signal] ?? 0);
    return sent ? 0 : 1;
  }
  try {
    if (args.includes('-t') || args.includes('-T')) {
      load(proc, file);
      await proc.err(`nginx: the configuration file ${file} syntax is ok\nnginx: configuration file ${file} test is successful\n`);
      if (args.includes('-T')) await proc.out(proc.fs.readText(file));
      return 0;
    }
    return await serve(proc, file);
  } catch (error) {
    if (!(error instanceof NginxConfigError)) throw error;
    await proc.err(`nginx: [emerg] ${error.message}\n`);
    if (args.includes('-t')) await proc.err(`nginx: configuration file ${file} test failed\n`);
    return 1;
  }
}

/** Substitutes environment variables in /etc/nginx/templates as the official entrypoint does, then becomes the command. */
async function entrypoint(proc: Proc): Promise<number> {
  const templates = '/etc/nginx/templates';
  if (proc.fs.isDirectory(templates)) {
    for (const name of proc.fs.list(templates)) {
      if (!name.endsWith('.template')) continue;
      const text = proc.fs.readText(`${templates}/${name}`).replace(/\$\{(\w+)\}/g, (all, variable: string) => proc.env.get(variable) ?? all);
      proc.fs.writeFile(`/etc/nginx/conf.d/${name.slice(0, -'.template'.length)}`, text);
    }
  }
  await proc.out('/docker-entrypoint.sh: Configuration complete; ready for start up\n');
  return proc.exec({ argv: proc.argv.slice(1) });
}

const common = {
  entrypoint: ['/docker-entrypoint.sh'],
  cmd: ['nginx', '-g', 'daemon off;'],
  env: { NGINX_VERSION: '1.29.3', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  stopSignal: 'SIGQUIT',
  files: nginxFiles,
  programs: { '/usr/sbin/nginx': nginxProgram, '/docker-entrypoint.sh': entrypoint },
  memoryBytes: 5 * 1024 * 1024,
} as const;

export const nginx: ImageDefinition = {
  ...common,
  names: ['nginx', 'registry.k8s.io/e2e-test-images/nginx', 'registry.k8s.io/nginx-slim', 'registry.k8s.io/nginx', 'k8s.gcr.io/nginx-slim', 'public.ecr.aws/docker/library/nginx', 'public.ecr.aws/nginx/nginx'],
  sizeBytes: 62_692_114,
  // The rollout example of the Kubernetes documentation needs a tag that is not there.
  missingTags: ['1.161', '1.91'],
};

export const nginxUnprivileged: ImageDefinition = {
  ...common,
  names: ['nginxinc/nginx-unprivileged'],
  user: '101:101',
  files: {
    ...nginxFiles,
    '/etc/nginx/conf.d/default.conf': 'server {\n    listen       8080;\n    server_name  localhost;\n    location / {\n        root   /usr/share/nginx/html;\n        index  index.html index.htm;\n    }\n}\n',
  },
  sizeBytes: 62_700_000,
};
