import { FsError } from '../../fs/fs-error.ts';
import { resolvePath } from '../../fs/vfs.ts';
import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';
import type { ImageDefinition } from '../define-image.ts';
import { ConfigError } from './config-parser.ts';
import { entrypointPrograms } from './entrypoint.ts';
import { nginxVersion } from './exchange.ts';
import { defaultServer, mainConfig, nginxFiles } from './files.ts';
import { writeErrorLog } from './logs.ts';
import { type NginxConfig, loadConfig } from './model.ts';
import { configPrefix, systemReason } from './scope.ts';
import { type Start, complain, prepare, runServer, warnings } from './server.ts';

const defaultPath = `${configPrefix}/nginx.conf`;

const usage = `Usage: nginx [-?hvVtTq] [-s signal] [-p prefix] [-c filename] [-g directives]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: ${configPrefix}/)
  -c filename   : set configuration file (default: ${defaultPath})
  -g directives : set global directives out of configuration file
`;

const signalNames: Readonly<Record<string, number>> = { stop: signals.TERM, quit: signals.QUIT, reopen: signals.USR1, reload: signals.HUP };

interface Options extends Start {
  readonly flags: ReadonlySet<string>;
  readonly signal: string | undefined;
}

function parseArguments(args: readonly string[]): Options | { problem: string } {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-') || arg === '-') return { problem: `invalid option: "${arg}"` };
    for (let at = 1; at < arg.length; at++) {
      const letter = arg[at] as string;
      if ('?hvVtTq'.includes(letter)) flags.add(letter);
      else if ('spceg'.includes(letter)) {
        const value = arg.slice(at + 1) || args[++i];
        if (value === undefined) return { problem: `option "-${letter}" requires ${letter === 's' ? 'parameter' : letter === 'g' ? 'parameter' : 'file name'}` };
        values.set(letter, value);
        break;
      } else return { problem: `invalid option: "${letter}"` };
    }
  }
  const signal = values.get('s');
  if (signal !== undefined && signalNames[signal] === undefined) return { problem: `invalid option: "-s ${signal}"` };
  return { flags, signal, path: resolvePath(configPrefix, values.get('c') ?? defaultPath), globals: values.get('g') ?? '' };
}

async function sendSignal(proc: Proc, options: Options): Promise<number> {
  const config = loadConfig(proc.fs, { ...options, uid: proc.cred.uid });
  const path = resolvePath(configPrefix, config.pidFile);
  await writeErrorLog(proc, config.main, { level: 'notice', message: 'signal process started' });
  try {
    const text = proc.fs.readText(path).trim();
    if (!/^[1-9]\d*$/.test(text)) {
      await proc.err(`nginx: [error] invalid PID number "${text}" in "${config.pidFile}"\n`);
      return 1;
    }
    const number = signalNames[options.signal ?? ''] ?? 0;
    if (proc.kill(Number(text), number)) return 0;
    await proc.err(`nginx: [alert] kill(${text}, ${number}) failed (3: No such process)\n`);
    return 1;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.err(`nginx: [error] open() "${config.pidFile}" failed (${systemReason(error)})\n`);
    return 1;
  }
}

async function test(proc: Proc, options: Options): Promise<number> {
  const quiet = options.flags.has('q');
  try {
    await warnings(proc, await prepare(proc, options));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    await complain(proc, undefined, 'emerg', error.message);
    await proc.err(`nginx: configuration file ${options.path} test failed\n`);
    return 1;
  }
  if (!quiet) await proc.err(`nginx: the configuration file ${options.path} syntax is ok\nnginx: configuration file ${options.path} test is successful\n`);
  if (options.flags.has('T')) await proc.out(`# configuration file ${options.path}:\n${proc.fs.readText(options.path)}\n`);
  return 0;
}

/** Without `daemon off` the server goes on in the background and this process ends. */
async function start(proc: Proc, options: Options): Promise<number> {
  let config: NginxConfig;
  try {
    config = await prepare(proc, options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    await complain(proc, undefined, 'emerg', error.message);
    return 1;
  }
  await warnings(proc, config);
  if (config.main.byName.get('daemon')?.[0]?.args[0] === 'off') return runServer(proc, config, options);
  proc.spawn({ argv: ['nginx: master process nginx'], program: (server) => runServer(server, config, options) });
  return 0;
}

/** The nginx command. */
export async function nginxProgram(proc: Proc): Promise<number> {
  const options = parseArguments(proc.argv.slice(1));
  if ('problem' in options) {
    await proc.err(`nginx: ${options.problem}\n`);
    return 1;
  }
  const { flags } = options;
  if (flags.has('v') || flags.has('V') || flags.has('h') || flags.has('?')) {
    await proc.err(`nginx version: nginx/${nginxVersion}\n${flags.has('h') || flags.has('?') ? usage : ''}`);
    return 0;
  }
  if (flags.has('t') || flags.has('T')) return test(proc, options);
  if (options.signal === undefined) return start(proc, options);
  try {
    return await sendSignal(proc, options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    await complain(proc, undefined, 'emerg', error.message);
    return 1;
  }
}

const base = {
  entrypoint: ['/docker-entrypoint.sh'],
  cmd: ['nginx', '-g', 'daemon off;'],
  env: { NGINX_VERSION: nginxVersion, PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  stopSignal: 'SIGQUIT',
  files: nginxFiles,
  programs: { '/usr/sbin/nginx': nginxProgram, ...entrypointPrograms },
  memoryBytes: 5 * 1024 * 1024,
} as const;

export const nginx: ImageDefinition = {
  ...base,
  names: ['nginx', 'registry.k8s.io/e2e-test-images/nginx', 'registry.k8s.io/nginx-slim', 'registry.k8s.io/nginx', 'k8s.gcr.io/nginx-slim', 'public.ecr.aws/docker/library/nginx', 'public.ecr.aws/nginx/nginx'],
  sizeBytes: 62_692_114,
  // The rollout example of the Kubernetes documentation needs a tag that is not there.
  missingTags: ['1.161', '1.91'],
};

const temporary = ['client_body_temp_path /tmp/client_temp', 'proxy_temp_path /tmp/proxy_temp_path', 'fastcgi_temp_path /tmp/fastcgi_temp', 'uwsgi_temp_path /tmp/uwsgi_temp', 'scgi_temp_path /tmp/scgi_temp'];

/** Runs as user 101 on port 8080 and writes only below /tmp. */
export const nginxUnprivileged: ImageDefinition = {
  ...base,
  names: ['nginxinc/nginx-unprivileged', 'quay.io/nginx/nginx-unprivileged', 'ghcr.io/nginx/nginx-unprivileged', 'public.ecr.aws/nginx/nginx-unprivileged'],
  user: '101:101',
  files: {
    ...nginxFiles,
    '/etc/nginx/nginx.conf': mainConfig('/tmp/nginx.pid', '').replace('http {\n', `http {\n${temporary.map((line) => `    ${line};\n`).join('')}`),
    '/etc/nginx/conf.d': { directory: true, uid: 101 },
    '/etc/nginx/conf.d/default.conf': { content: defaultServer(8080), uid: 101 },
    '/var/cache/nginx': { directory: true, uid: 101 },
  },
  sizeBytes: 62_700_000,
};
