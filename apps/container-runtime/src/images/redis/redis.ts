import { NetError } from '@orrery/vnet';
import { FsError } from '../../fs/fs-error.ts';
import type { Proc, Program } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import type { ImageDefinition } from '../define-image.ts';
import { redisCli } from './cli.ts';
import { RedisError, splitWords } from './resp.ts';
import { RedisServer } from './server.ts';
import { redisVersion } from './server-commands.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The settings that matter here, with their defaults; others are taken and ignored. */
const defaults: readonly (readonly [string, string])[] = [['port', '6379'], ['bind', '* -::*'], ['dir', ''], ['appendonly', 'no'], ['requirepass', ''], ['maxmemory', '0'], ['maxmemory-policy', 'noeviction'], ['databases', '16'], ['save', '3600 1 300 100 60 10000'], ['timeout', '0'], ['protected-mode', 'no'], ['loglevel', 'notice']];

function logLine(proc: Proc, role: string, text: string): Promise<void> {
  const now = proc.clock.now();
  const at = new Date(now);
  const day = `${String(at.getUTCDate()).padStart(2, '0')} ${months[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
  return proc.out(`${proc.pid}:${role} ${day} ${at.toISOString().slice(11, 23)} * ${text}\n`);
}

/** A configuration that redis-server refuses. */
class BadConfig extends Error {}

/** Reads a configuration file and `--name value …` arguments. Throws BadConfig. */
function readConfig(proc: Proc, args: readonly string[]): Map<string, string> {
  const config = new Map<string, string>([...defaults, ['dir', proc.cwd]]);
  const rest = [...args];
  if (rest[0] !== undefined && !rest[0].startsWith('--')) {
    const path = proc.path(rest.shift() ?? '');
    if (!proc.fs.exists(path)) throw new BadConfig(`Fatal error, can't open config file '${path}': No such file or directory`);
    proc.fs.readText(path).split('\n').forEach((line, i) => {
      if (/^\s*(?:#|$)/.test(line)) return;
      const words = splitWords(line);
      if (!words) throw new BadConfig(`*** FATAL CONFIG FILE ERROR (Redis ${redisVersion}) ***\nReading the configuration file, at line ${i + 1}\n>>> '${line.trim()}'\nUnbalanced quotes in configuration line`);
      const [name = '', ...values] = words;
      config.set(name.toLowerCase(), values.join(' '));
    });
  }
  let name: string | undefined;
  for (const arg of rest) {
    if (arg.startsWith('--')) {
      const [key = '', inline] = arg.slice(2).split(/[= ](.*)/s);
      name = key.toLowerCase();
      config.set(name, inline ?? '');
    } else if (name !== undefined) config.set(name, [config.get(name), arg].filter(Boolean).join(' '));
  }
  for (const flag of ['appendonly', 'protected-mode']) {
    if (!['yes', 'no'].includes(config.get(flag) ?? 'no')) throw new BadConfig(`*** FATAL CONFIG FILE ERROR (Redis ${redisVersion}) ***\nReading the configuration file, at line 2\n>>> '${flag} "${config.get(flag)}"'\nargument must be 'yes' or 'no'`);
  }
  return config;
}

async function listen(proc: Proc, server: RedisServer): Promise<boolean> {
  const port = Number(server.config.get('port'));
  const bound = (server.config.get('bind') ?? '').split(/\s+/).map((ip) => ip.replace(/^-/, '')).filter((ip) => !ip.includes(':'));
  const any = bound.some((ip) => ip === '*' || ip === '0.0.0.0' || ip === '');
  try {
    for (const ip of any || !bound.length ? [''] : bound) proc.net.listen({ ip, port }, (conn) => server.serve(conn));
    return true;
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    await logLine(proc, 'M', `Warning: Could not create server TCP listening socket *:${port}: bind: ${error.code === 'EADDRINUSE' ? 'Address already in use' : 'Cannot assign requested address'}`);
    await logLine(proc, 'M', `Failed listening on port ${port} (tcp), aborting.`);
    return false;
  }
}

const redisServer: Program = async (proc) => {
  const args = proc.argv.slice(1);
  if (args[0] === '--version' || args[0] === '-v') {
    await proc.out(`Redis server v=${redisVersion} sha=00000000:0 malloc=none bits=64 build=0\n`);
    return 0;
  }
  let config: Map<string, string>;
  try {
    config = readConfig(proc, args);
  } catch (error) {
    if (!(error instanceof BadConfig)) throw error;
    await proc.err(`${error.message}\n`);
    return 1;
  }
  await logLine(proc, 'C', 'oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo');
  await logLine(proc, 'C', `Redis version=${redisVersion}, bits=64, commit=00000000, modified=0, pid=${proc.pid}, just started`);
  await logLine(proc, 'C', args.length ? 'Configuration loaded' : 'Warning: no config file specified, using the default config. In order to specify a config file use redis-server /path/to/redis.conf');
  const server = new RedisServer({ proc, config, log: (text) => logLine(proc, 'M', text) });
  try {
    const loaded = server.open();
    if (loaded) await logLine(proc, 'M', 'DB loaded from append only file: 0.000 seconds');
  } catch (error) {
    if (!(error instanceof FsError || error instanceof RedisError)) throw error;
    await logLine(proc, 'M', error instanceof FsError ? `Can't open or create append-only dir appendonlydir: ${error.message}` : `Bad file format reading the append only file: ${error.message}`);
    return 1;
  }
  if (!(await listen(proc, server))) return 1;
  await logLine(proc, 'M', `Running mode=standalone, port=${config.get('port')}.`);
  await logLine(proc, 'M', 'Server initialized');
  await logLine(proc, 'M', 'Ready to accept connections tcp');
  const signal = await proc.until(new Promise<string>((resolve) => {
    proc.onSignal(signals.TERM, () => resolve('SIGTERM'));
    proc.onSignal(signals.INT, () => resolve('SIGINT'));
  }));
  await logLine(proc, 'S', `Received ${signal} scheduling shutdown...`);
  await logLine(proc, 'M', 'User requested shutdown...');
  await logLine(proc, 'M', 'Redis is now ready to exit, bye bye...');
  return 0;
};

/** The official image's entrypoint: options and configuration files are arguments of the server. */
const entrypoint: Program = (proc) => {
  const argv = proc.argv.slice(1);
  const isOption = argv[0]?.startsWith('-') === true || argv[0]?.endsWith('.conf') === true;
  return proc.exec({ argv: isOption ? ['redis-server', ...argv] : argv });
};

const programs: Readonly<Record<string, Program>> = { '/usr/local/bin/redis-server': redisServer, '/usr/local/bin/redis-cli': redisCli, '/usr/local/bin/valkey-server': redisServer, '/usr/local/bin/valkey-cli': redisCli, '/usr/local/bin/docker-entrypoint.sh': entrypoint };

export const redis: ImageDefinition = {
  names: ['redis', 'valkey/valkey', 'registry.k8s.io/redis', 'registry.k8s.io/e2e-test-images/redis', 'gcr.io/google_containers/redis', 'public.ecr.aws/docker/library/redis'],
  entrypoint: ['docker-entrypoint.sh'],
  cmd: ['redis-server'],
  workdir: '/data',
  env: { REDIS_VERSION: redisVersion },
  files: { '/data': { directory: true, uid: 999 } },
  programs,
  sizeBytes: 45_500_000,
  memoryBytes: 6 * 1024 * 1024,
};

/** Bitnami's: the password comes from REDIS_PASSWORD, or ALLOW_EMPTY_PASSWORD must say that there is none. */
const bitnamiEntrypoint: Program = async (proc) => {
  const password = proc.env.get('REDIS_PASSWORD') ?? '';
  if (!password && proc.env.get('ALLOW_EMPTY_PASSWORD') !== 'yes') {
    await proc.err('redis ERROR ==> The REDIS_PASSWORD environment variable is empty or not set. Set the environment variable ALLOW_EMPTY_PASSWORD=yes to allow the container to be started with blank passwords. This is recommended only for development.\n');
    return 1;
  }
  const runScript = '/opt/bitnami/scripts/redis/run.sh';
  const argv = proc.argv[0] === runScript ? proc.argv : proc.argv.slice(1);
  if (argv[0] !== runScript) return proc.exec({ argv });
  const port = proc.env.get('REDIS_PORT_NUMBER') ?? '6379';
  return proc.exec({ argv: ['redis-server', '--port', port, '--dir', '/bitnami/redis/data', '--appendonly', proc.env.get('REDIS_AOF_ENABLED') ?? 'yes', ...(password ? ['--requirepass', password] : []), ...argv.slice(1)] });
};

export const bitnamiRedis: ImageDefinition = {
  ...redis,
  names: ['bitnami/redis', 'bitnamilegacy/redis', 'bitnami/valkey'],
  entrypoint: ['/opt/bitnami/scripts/redis/entrypoint.sh'],
  cmd: ['/opt/bitnami/scripts/redis/run.sh'],
  user: '1001',
  files: { '/bitnami/redis/data': { directory: true, uid: 1001 }, '/data': { directory: true } },
  programs: { ...programs, '/opt/bitnami/scripts/redis/entrypoint.sh': bitnamiEntrypoint, '/opt/bitnami/scripts/redis/run.sh': bitnamiEntrypoint },
  workdir: '/',
};
