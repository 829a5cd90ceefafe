import { NetError } from '@orrery/vnet';
import { ResolveError } from '../net/resolver.ts';
import type { Proc, Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';

const apology = 'this server is an emulation: it accepts connections but holds no data';

/** A server that is only there to be reached: it logs its start, accepts connections, says sorry and closes them. */
function standIn(options: { port: number; ready: (proc: Proc) => string; farewell?: Buffer; speaksFirst?: boolean }): Program {
  return async (proc) => {
    const { port, ready, farewell = Buffer.alloc(0), speaksFirst = false } = options;
    proc.net.listen({ ip: '', port }, (conn) => {
      const first = speaksFirst ? Promise.resolve(farewell) : conn.read();
      first.then(async (bytes) => (bytes ? conn.write(farewell) : undefined)).then(() => conn.close(), () => conn.close());
    });
    await proc.out(`${ready(proc)}\n`);
    return new Promise((resolve) => {
      for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => resolve(0));
    });
  };
}

const now = (proc: Proc): string => new Date(proc.clock.now()).toISOString();

/** The error packet with which MySQL turns clients away before they log in. */
function mysqlError(text: string): Buffer {
  const body = Buffer.concat([Buffer.from([0xff, 0x10, 0x04]), Buffer.from(text)]);
  return Buffer.concat([Buffer.from([body.length & 255, body.length >> 8, 0, 0]), body]);
}

const mysqld = standIn({ port: 3306, speaksFirst: true, farewell: mysqlError(apology), ready: (proc) => `${now(proc).replace('Z', '000Z')} 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: '9.1.0'  socket: '/var/run/mysqld/mysqld.sock'  port: 3306  (emulated)` });

const passwordVariables = ['ROOT_PASSWORD', 'ROOT_PASSWORD_FILE', 'ALLOW_EMPTY_PASSWORD', 'RANDOM_ROOT_PASSWORD', 'ALLOW_EMPTY_ROOT_PASSWORD'];

const mysqlEntrypoint: Program = async (proc) => {
  const argv = proc.argv.slice(1);
  if (argv[0] !== undefined && !argv[0].startsWith('-') && argv[0] !== 'mysqld' && argv[0] !== 'mariadbd') return proc.exec({ argv });
  const given = passwordVariables.some((name) => proc.env.get(`MYSQL_${name}`) || proc.env.get(`MARIADB_${name}`));
  if (given) return mysqld(proc);
  await proc.err(`${now(proc).slice(0, 19).replace('T', ' ')}+00:00 [ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n    You need to specify one of the following as an environment variable:\n    - MYSQL_ROOT_PASSWORD\n    - MYSQL_ALLOW_EMPTY_PASSWORD\n    - MYSQL_RANDOM_ROOT_PASSWORD\n`);
  return 1;
};

/** `mysqladmin ping`: whether something listens. */
const mysqladmin: Program = async (proc) => {
  const args = proc.argv.slice(1);
  const value = (short: string, long: string): string | undefined => args.map((arg, i) => (arg === short ? args[i + 1] : arg.startsWith(`${long}=`) ? arg.slice(long.length + 1) : arg.startsWith(short) && arg.length > 2 && !arg.startsWith('--') ? arg.slice(2) : undefined)).find((found) => found !== undefined);
  if (!args.includes('ping')) {
    await proc.err(`mysqladmin: ${apology}\n`);
    return 1;
  }
  const host = value('-h', '--host') ?? 'localhost';
  try {
    const [ip = ''] = await proc.net.lookup(host);
    (await proc.net.dial({ ip, port: Number(value('-P', '--port') ?? 3306) })).close();
    await proc.out('mysqld is alive\n');
    return 0;
  } catch (error) {
    if (!(error instanceof NetError || error instanceof ResolveError)) throw error;
    await proc.err(`mysqladmin: connect to server at '${host}' failed\nerror: 'Can't connect to MySQL server on '${host}:3306' (111)'\nCheck that mysqld is running on ${host} and that the port is 3306.\n`);
    return 1;
  }
};

export const mysql: ImageDefinition = {
  names: ['mysql', 'mariadb', 'bitnami/mysql', 'bitnami/mariadb', 'mysql/mysql-server', 'public.ecr.aws/docker/library/mysql', 'public.ecr.aws/docker/library/mariadb'],
  entrypoint: ['docker-entrypoint.sh'],
  cmd: ['mysqld'],
  files: { '/var/lib/mysql': { directory: true } },
  programs: { '/usr/local/bin/docker-entrypoint.sh': mysqlEntrypoint, '/usr/sbin/mysqld': mysqld, '/usr/bin/mysqladmin': mysqladmin, '/usr/bin/mariadb-admin': mysqladmin },
  sizeBytes: 230_000_000,
  memoryBytes: 350 * 1024 * 1024,
};

export const mongo: ImageDefinition = {
  names: ['mongo', 'bitnami/mongodb', 'public.ecr.aws/docker/library/mongo'],
  cmd: ['mongod'],
  files: { '/data/db': { directory: true } },
  programs: { '/usr/bin/mongod': standIn({ port: 27017, ready: (proc) => JSON.stringify({ t: { $date: now(proc) }, s: 'I', c: 'NETWORK', id: 23016, ctx: 'listener', msg: 'Waiting for connections', attr: { port: 27017, ssl: 'off' } }) }) },
  sizeBytes: 280_000_000,
  memoryBytes: 120 * 1024 * 1024,
};

export const rabbitmq: ImageDefinition = {
  names: ['rabbitmq', 'bitnami/rabbitmq', 'public.ecr.aws/docker/library/rabbitmq'],
  cmd: ['rabbitmq-server'],
  // A server that does not speak the client's version answers with the one it speaks and closes.
  programs: { '/usr/sbin/rabbitmq-server': standIn({ port: 5672, farewell: Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'), ready: (proc) => `${now(proc).slice(0, 19).replace('T', ' ')}.000000+00:00 [info] <0.9.0> Server startup complete; 0 plugins started.` }) },
  sizeBytes: 110_000_000,
  memoryBytes: 120 * 1024 * 1024,
};
