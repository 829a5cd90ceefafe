import { type Listener, NetError } from '@orrery/vnet';
import { FsError } from '../../fs/fs-error.ts';
import { resolvePath } from '../../fs/vfs.ts';
import { ResolveError } from '../../net/resolver.ts';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import { ConfigError } from './config-parser.ts';
import { type Counters, type Instance, nginxVersion } from './exchange.ts';
import { writeErrorLog } from './logs.ts';
import { type NginxConfig, allLocations, loadConfig } from './model.ts';
import { namesToResolve } from './proxy.ts';
import { respond } from './respond.ts';
import { configPrefix, settingValue, systemReason } from './scope.ts';

export interface Start {
  readonly path: string;
  readonly globals: string;
}

const temporaryPaths = ['client', 'proxy', 'fastcgi', 'uwsgi', 'scgi'] as const;

/** Reads the configuration and resolves the names it needs. Throws ConfigError. */
export async function prepare(proc: Proc, start: Start): Promise<NginxConfig> {
  const config = loadConfig(proc.fs, { ...start, uid: proc.cred.uid });
  const directives = config.servers.flatMap(({ locations }) => allLocations(locations)).flatMap(({ scope }) => scope.byName.get('proxy_pass') ?? []);
  for (const { host, at } of namesToResolve(config, directives)) {
    try {
      await proc.net.lookup(host);
    } catch (error) {
      if (!(error instanceof ResolveError)) throw error;
      throw new ConfigError(`host not found in upstream "${host}"`, at);
    }
  }
  for (const kind of temporaryPaths) {
    const http = config.servers[0]?.scope.parent ?? config.main;
    const name = kind === 'client' ? 'client_body_temp_path' : `${kind}_temp_path`;
    const path = resolvePath(configPrefix, settingValue(http, name) ?? `/var/cache/nginx/${kind}_temp`);
    try {
      if (!proc.fs.isDirectory(path)) proc.fs.mkdir(path, 0o700);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      throw new ConfigError(`mkdir() "${path}" failed (${systemReason(error)})`);
    }
  }
  return config;
}

/** A running server: what it listens on follows its configuration. */
class Serving {
  private readonly proc: Proc;
  private instance: Instance;
  private readonly listeners = new Map<string, Listener>();
  private readonly connections = new WeakMap<object, number>();
  private readonly counters: Counters = { accepted: 0, requests: 0, active: 0 };
  private whenIdle: (() => void) | undefined;

  constructor(proc: Proc, config: NginxConfig) {
    this.proc = proc;
    this.instance = this.instanceOf(config);
  }

  private instanceOf(config: NginxConfig): Instance {
    const { proc, counters } = this;
    return { proc, config, counters, turns: new Map(), log: (scope, level, message) => void writeErrorLog(proc, scope, { level, message }).catch(() => undefined) };
  }

  get config(): NginxConfig {
    return this.instance.config;
  }

  /** Opens what is listened on and closes what no longer is. Throws NetError and then changes nothing. */
  apply(config: NginxConfig): void {
    const wanted = new Map(config.servers.flatMap(({ listens }) => listens.filter(({ ssl }) => !ssl).map(({ ip, port }) => [`${ip}:${port}` as string, { ip, port }] as const)));
    for (const [key, at] of wanted) if (at.ip && wanted.has(`:${at.port}`)) wanted.delete(key);
    const opened: string[] = [];
    try {
      for (const [key, at] of wanted) {
        if (this.listeners.has(key)) continue;
        this.listeners.set(key, serveHttp(this.proc, at, (request) => this.answer(request)));
        opened.push(key);
      }
    } catch (error) {
      for (const key of opened) this.drop(key);
      throw error;
    }
    for (const key of this.listeners.keys()) if (!wanted.has(key)) this.drop(key);
    this.instance = this.instanceOf(config);
  }

  private drop(key: string): void {
    this.listeners.get(key)?.close();
    this.listeners.delete(key);
  }

  private connectionOf(request: HttpRequest): number {
    const known = this.connections.get(request.remote);
    if (known !== undefined) return known;
    this.connections.set(request.remote, ++this.counters.accepted);
    return this.counters.accepted;
  }

  private async answer(request: HttpRequest): Promise<HttpReply> {
    this.counters.active++;
    const done = (): void => {
      if (--this.counters.active === 0) this.whenIdle?.();
    };
    let streaming = false;
    try {
      const reply = await respond(this.instance, request, this.connectionOf(request));
      const { body } = reply;
      if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return reply;
      streaming = true;
      return { ...reply, body: finishing(body, done) };
    } finally {
      if (!streaming) done();
    }
  }

  /** Stops listening; resolves when no request is being answered. */
  async drain(): Promise<void> {
    for (const key of [...this.listeners.keys()]) this.drop(key);
    if (this.counters.active) await new Promise<void>((resolve) => (this.whenIdle = resolve));
  }
}

async function* finishing(body: AsyncIterable<Uint8Array>, done: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    done();
  }
}

const bindTries = 5;
const bindRetryMs = 500;

async function bind(proc: Proc, serving: Serving, config: NginxConfig): Promise<boolean> {
  for (let tries = 0; tries < bindTries; tries++) {
    try {
      serving.apply(config);
      return true;
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      const [, ip = '0.0.0.0', port = '80'] = /listen (.*):(\d+):/.exec(error.message) ?? [];
      const reason = error.code === 'EADDRINUSE' ? '98: Address already in use' : '99: Cannot assign requested address';
      await complain(proc, config, 'emerg', `bind() to ${ip}:${port} failed (${reason})`);
      if (error.code !== 'EADDRINUSE') return false;
      await proc.sleep(bindRetryMs);
    }
  }
  await complain(proc, config, 'emerg', 'still could not bind()');
  return false;
}

/** Problems of the start go to stderr and to the error log. */
export async function complain(proc: Proc, config: NginxConfig | undefined, level: 'emerg' | 'warn', message: string): Promise<void> {
  await writeErrorLog(proc, config?.main, { level, message });
  await proc.err(`nginx: [${level}] ${message}\n`);
}

export async function warnings(proc: Proc, config: NginxConfig): Promise<void> {
  const user = config.main.byName.get('user')?.[0];
  const own = user && proc.cred.uid !== 0 ? [`the "user" directive makes sense only if the master process runs with super-user privileges, ignored in ${user.file}:${user.line}`] : [];
  for (const message of [...own, ...config.warnings]) await complain(proc, config, 'warn', message);
}

async function reload(proc: Proc, serving: Serving, start: Start): Promise<void> {
  const note = (message: string): Promise<void> => writeErrorLog(proc, serving.config.main, { level: 'notice', message });
  await note('signal 1 (SIGHUP) received, reconfiguring');
  await note('reconfiguring');
  try {
    const config = await prepare(proc, start);
    serving.apply(config);
    await note('start worker processes');
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof NetError)) throw error;
    await writeErrorLog(proc, serving.config.main, { level: 'emerg', message: error.message });
  }
}

/** Runs the server until it is told to stop. */
export async function runServer(proc: Proc, config: NginxConfig, start: Start): Promise<number> {
  const serving = new Serving(proc, config);
  if (!(await bind(proc, serving, config))) return 1;
  try {
    proc.fs.writeFile(resolvePath(configPrefix, config.pidFile), `${proc.pid}\n`);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await complain(proc, config, 'emerg', `open() "${config.pidFile}" failed (${systemReason(error)})`);
    return 1;
  }
  const note = (message: string): Promise<void> => writeErrorLog(proc, serving.config.main, { level: 'notice', message });
  const ended = new Promise<number>((resolve, reject) => {
    const stop = (signal: string, graceful: boolean) => (): void => {
      const end = async (): Promise<void> => {
        await note(`signal ${signal} received, ${graceful ? 'shutting down' : 'exiting'}`);
        if (graceful) {
          await note('gracefully shutting down');
          await serving.drain();
        }
        await note('exit');
      };
      end().then(() => resolve(0), reject);
    };
    proc.onSignal(signals.TERM, stop('15 (SIGTERM)', false));
    proc.onSignal(signals.INT, stop('2 (SIGINT)', false));
    proc.onSignal(signals.QUIT, stop('3 (SIGQUIT)', true));
    proc.onSignal(signals.HUP, () => void reload(proc, serving, start).catch(reject));
    proc.onSignal(signals.USR1, () => void note('signal 10 (SIGUSR1) received, reopening logs').catch(reject));
    for (const ignored of [signals.WINCH, signals.PIPE, signals.CHLD]) proc.onSignal(ignored, 'ignore');
  });
  for (const message of ['using the "epoll" event method', `nginx/${nginxVersion}`, 'OS: Linux 6.12.0-orrery', 'start worker processes']) await note(message);
  const code = await ended;
  const pidFile = resolvePath(configPrefix, config.pidFile);
  if (proc.fs.exists(pidFile)) proc.fs.unlink(pidFile);
  return code;
}
