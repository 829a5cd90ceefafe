import { FsError } from '../fs/fs-error.ts';
import { type HttpReply, httpDate, serveHttp } from '../net/http-server.ts';
import type { Proc } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import { resolvePath } from '../fs/vfs.ts';
import { type Applet, UsageError, parseOptions } from './applet.ts';

const types: Readonly<Record<string, string>> = {
  html: 'text/html', htm: 'text/html', txt: 'text/plain', css: 'text/css', js: 'application/javascript', json: 'application/json', xml: 'text/xml', png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', svg: 'image/svg+xml', ico: 'image/x-icon', pdf: 'application/pdf', wasm: 'application/wasm',
};

export function contentType(path: string, fallback = 'application/octet-stream'): string {
  return types[/\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''] ?? fallback;
}

/** The file under `root` that a URL path names, `index` for directories; a status when it cannot be served. */
export function findServed(proc: Proc, root: string, options: { path: string; index: readonly string[] }): { file: string } | { status: 301 | 403 | 404; directory?: string } {
  const at = resolvePath('/', options.path);
  const full = at === '/' ? root : `${root.replace(/\/$/, '')}${at}`;
  try {
    const stat = proc.fs.stat(full);
    if (stat.kind !== 'directory') return proc.fs.access(full, 'r') ? { file: full } : { status: 403 };
    if (!options.path.endsWith('/')) return { status: 301 };
    const index = options.index.map((name) => resolvePath(full, name)).find((name) => proc.fs.tryStat(name)?.kind === 'file');
    return index ? { file: index } : { status: 403, directory: full };
  } catch (error) {
    if (error instanceof FsError) return { status: error.code === 'EACCES' ? 403 : 404 };
    throw error;
  }
}

/** busybox httpd: files below -h on -p; -f stays in the foreground. */
export const httpd: Applet = async (proc, args) => {
  const { flags, values } = parseOptions(args, 'fivc:h:p:u:r:');
  const home = proc.path(values.get('h') ?? '.');
  if (!proc.fs.isDirectory(home)) throw new UsageError(`can't change directory to '${values.get('h') ?? '.'}'`);
  const [, ip = '', port = '80'] = /^(?:(.*):)?(\d+)$/.exec(values.get('p') ?? '80') ?? [];
  const run = (server: Proc): Promise<number> => {
    serveHttp(server, { ip, port: Number(port) }, async (request): Promise<HttpReply> => {
      const found = findServed(server, home, { path: request.path, index: ['index.html'] });
      const status = 'file' in found ? 200 : found.status === 403 ? 404 : found.status;
      if (flags.has('v')) await server.err(`[::ffff:${request.remote.ip}]:${request.remote.port}: response:${status}\n`);
      if (status === 301) return { status: 302, headers: [['Location', `${request.path}/`]] };
      if (!('file' in found)) {
        const body = '<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD>\n<BODY><H1>404 Not Found</H1>\nThe requested URL was not found\n</BODY></HTML>\n';
        return { status: 404, headers: [['Content-type', 'text/html']], body };
      }
      const stat = server.fs.stat(found.file);
      return { status: 200, headers: [['Content-type', contentType(found.file)], ['Last-Modified', httpDate(stat.mtimeMs)]], body: server.fs.readFile(found.file) };
    });
    return new Promise<number>((resolve) => server.onSignal(signals.TERM, () => resolve(143)));
  };
  if (flags.has('f')) return run(proc);
  proc.spawn({ argv: ['httpd', ...args], program: run });
  return 0;
};
