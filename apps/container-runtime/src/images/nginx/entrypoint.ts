import { FsError } from '../../fs/fs-error.ts';
import type { Proc, Program } from '../../process/proc.ts';
import { defaultServer } from './files.ts';

const directory = '/docker-entrypoint.d';
const defaultFile = '/etc/nginx/conf.d/default.conf';

/** Adds an IPv6 listener to the packaged default server, as the image's first script does. */
const listenOnIpv6: Program = async (proc) => {
  const say = (text: string): Promise<void> => proc.out(`10-listen-on-ipv6-by-default.sh: info: ${text}\n`);
  if (proc.fs.tryStat(defaultFile)?.kind !== 'file') {
    await say(`${defaultFile} is not a file or does not exist`);
    return 0;
  }
  if (!proc.fs.access(defaultFile, 'w')) {
    await say(`can not modify ${defaultFile} (read-only file system?)`);
    return 0;
  }
  const text = proc.fs.readText(defaultFile);
  if (/\blisten\s+\[::\]/.test(text)) {
    await say('IPv6 listen already enabled');
    return 0;
  }
  await say(`Getting the checksum of ${defaultFile}`);
  const port = /listen\s+(\d+);/.exec(text)?.[1] ?? '80';
  if (text !== defaultServer(Number(port))) {
    await say(`${defaultFile} differs from the packaged version`);
    return 0;
  }
  proc.fs.writeFile(defaultFile, text.replace(/(listen\s+)(\d+);/, '$1$2;\n    listen  [::]:$2;'));
  await say(`Enabled listen on IPv6 in ${defaultFile}`);
  return 0;
};

function templates(proc: Proc, at: string, suffix: string): string[] {
  return proc.fs.list(at).flatMap((name) => {
    const path = `${at}/${name}`;
    if (proc.fs.isDirectory(path)) return name.startsWith('..') ? [] : templates(proc, path, suffix);
    return name.endsWith(suffix) ? [path] : [];
  });
}

/** Replaces `$NAME` and `${NAME}` of variables that are set in the templates, as the image's second script does. */
const substitute: Program = async (proc) => {
  const name = '20-envsubst-on-templates.sh';
  const from = proc.env.get('NGINX_ENVSUBST_TEMPLATE_DIR') ?? '/etc/nginx/templates';
  const suffix = proc.env.get('NGINX_ENVSUBST_TEMPLATE_SUFFIX') ?? '.template';
  const to = proc.env.get('NGINX_ENVSUBST_OUTPUT_DIR') ?? '/etc/nginx/conf.d';
  const filter = new RegExp(proc.env.get('NGINX_ENVSUBST_FILTER') ?? '');
  if (!proc.fs.isDirectory(from)) return 0;
  if (!proc.fs.access(to, 'w')) {
    await proc.out(`${name}: ERROR: ${from} exists, but ${to} is not writable\n`);
    return 0;
  }
  for (const path of templates(proc, from, suffix)) {
    const target = `${to}/${path.slice(from.length + 1, -suffix.length)}`;
    await proc.out(`${name}: Running envsubst on ${path} to ${target}\n`);
    const text = proc.fs.readText(path).replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (all, braced?: string, plain?: string) => {
      const variable = braced ?? plain ?? '';
      return filter.test(variable) ? (proc.env.get(variable) ?? all) : all;
    });
    proc.fs.makeDirs(target.slice(0, target.lastIndexOf('/')));
    proc.fs.writeFile(target, text);
  }
  return 0;
};

async function configure(proc: Proc, say: (text: string) => Promise<void>): Promise<number> {
  const names = proc.fs.isDirectory(directory) ? proc.fs.list(directory) : [];
  if (!names.length) {
    await say(`No files found in ${directory}/, skipping configuration`);
    return 0;
  }
  await say(`${directory}/ is not empty, will attempt to perform configuration`);
  await say(`Looking for shell scripts in ${directory}/`);
  for (const name of names) {
    const path = `${directory}/${name}`;
    if (!/\.(?:sh|envsh)$/.test(name)) await say(`Ignoring ${path}`);
    else if (!proc.fs.access(path, 'x')) await say(`Ignoring ${path}, not executable`);
    else {
      await say(`Launching ${path}`);
      const code = await proc.until(proc.spawn({ argv: [path] }).exited);
      if (code) return code;
    }
  }
  await say('Configuration complete; ready for start up');
  return 0;
}

/** The official image's entrypoint: runs /docker-entrypoint.d, then becomes the command. */
const entrypoint: Program = async (proc) => {
  const argv = proc.argv.slice(1);
  const quiet = Boolean(proc.env.get('NGINX_ENTRYPOINT_QUIET_LOGS'));
  if (argv[0] === 'nginx' || argv[0] === 'nginx-debug') {
    try {
      const code = await configure(proc, async (text) => (quiet ? undefined : proc.out(`/docker-entrypoint.sh: ${text}\n`)));
      if (code) return code;
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`/docker-entrypoint.sh: ${error.path}: ${error.message}\n`);
      return 1;
    }
  }
  return proc.exec({ argv });
};

export const entrypointPrograms: Readonly<Record<string, Program>> = {
  '/docker-entrypoint.sh': entrypoint,
  [`${directory}/10-listen-on-ipv6-by-default.sh`]: listenOnIpv6,
  [`${directory}/20-envsubst-on-templates.sh`]: substitute,
};
