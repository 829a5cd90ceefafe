import { NetError } from '@orrery/vnet';
import { ResolveError } from '../net/resolver.ts';
import type { Proc, Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';

const port = 5432;

/** Accepts connections and says that it has no database: the stand-in is for probes, services and start order. */
const server: Program = async (proc) => {
  if (!proc.env.get('POSTGRES_PASSWORD') && proc.env.get('POSTGRES_HOST_AUTH_METHOD') !== 'trust' && !proc.env.get('POSTGRES_PASSWORD_FILE')) {
    await proc.err('Error: Database is uninitialized and superuser password is not specified.\n       You must specify POSTGRES_PASSWORD to a non-empty value for the\n       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".\n');
    return 1;
  }
  proc.net.listen({ ip: '', port }, (conn) => {
    const text = Buffer.from('SFATAL\0C0A000\0Mthis PostgreSQL is an emulation: it accepts connections but holds no database\0\0');
    const head = Buffer.alloc(5);
    head.write('E');
    head.writeInt32BE(text.length + 4, 1);
    conn
      .read()
      .then((bytes) => (bytes ? conn.write(Buffer.concat([head, text])) : undefined))
      .then(() => conn.close(), () => conn.close());
  });
  await proc.err('LOG:  starting PostgreSQL 17.2 (emulated)\nLOG:  listening on IPv4 address "0.0.0.0", port 5432\nLOG:  database system is ready to accept connections\n');
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => resolve(0));
  });
};

function option(proc: Proc, ...names: string[]): string | undefined {
  const { argv } = proc;
  for (const [i, arg] of argv.entries()) {
    if (names.includes(arg)) return argv[i + 1];
    const name = names.find((n) => n.startsWith('--') && arg.startsWith(`${n}=`));
    if (name) return arg.slice(name.length + 1);
  }
  return undefined;
}

const isReady: Program = async (proc) => {
  const host = option(proc, '-h', '--host') ?? proc.env.get('PGHOST') ?? '127.0.0.1';
  const at = Number(option(proc, '-p', '--port') ?? port);
  const shown = option(proc, '-h', '--host') ? host : '/var/run/postgresql';
  try {
    const [ip = ''] = await proc.net.lookup(host);
    (await proc.net.dial({ ip, port: at }, { timeoutMs: 3000 })).close();
    await proc.out(`${shown}:${at} - accepting connections\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof NetError || error instanceof ResolveError)) throw error;
    await proc.out(`${shown}:${at} - no response\n`);
    return 2;
  }
};

export const postgres: ImageDefinition = {
  names: ['postgres', 'bitnami/postgresql', 'public.ecr.aws/docker/library/postgres'],
  entrypoint: ['/usr/local/bin/docker-entrypoint.sh'],
  cmd: ['postgres'],
  env: { PGDATA: '/var/lib/postgresql/data' },
  stopSignal: 'SIGINT',
  files: { '/var/lib/postgresql/data': { directory: true, uid: 70 } },
  programs: { '/usr/local/bin/docker-entrypoint.sh': (proc) => (proc.argv[1] === 'postgres' || proc.argv[1]?.startsWith('-') ? server(proc) : proc.exec({ argv: proc.argv.slice(1) })), '/usr/local/bin/postgres': server, '/usr/local/bin/pg_isready': isReady },
  sizeBytes: 150_000_000,
  memoryBytes: 30 * 1024 * 1024,
};
