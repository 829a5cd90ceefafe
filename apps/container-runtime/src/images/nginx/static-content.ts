import { FsError } from '../../fs/fs-error.ts';
import type { Stat } from '../../fs/tree.ts';
import type { Exchange } from './exchange.ts';
import { requestLog } from './logs.ts';
import type { Content } from './pages.ts';
import { absolute, statusOf } from './rewrite.ts';
import { type Scope, setting, settingFlag, settingValue, systemReason } from './scope.ts';
import { escapePath } from './uri.ts';
import { expand, requestFile } from './variables.ts';

/** What a content handler decides. */
export type Outcome =
  | { readonly content: Content }
  | { readonly error: number; readonly location?: string }
  /** Serve another URI instead, as if it had been asked for. */
  | { readonly uri: string; readonly args?: string }
  | { readonly named: string };

/** The Content-Type of a file by `types`, then `default_type`. */
export function typeOf(scope: Scope, path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const extension = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
  const blocks = setting(scope, 'types');
  const found = blocks.flatMap(({ block = [] }) => block).find(({ args }) => args.includes(extension));
  if (found) return found.name;
  if (!blocks.length && extension === 'html') return 'text/html';
  return settingValue(scope, 'default_type') ?? 'text/plain';
}

/** `"5f1a-2b"`: the modification time and the size in hexadecimal. */
const etagOf = (stat: Stat): string => `"${Math.floor(stat.mtimeMs / 1000).toString(16)}-${stat.size.toString(16)}"`;

function listing(exchange: Exchange, directory: string): Content {
  const { fs } = exchange.instance.proc;
  const rows = fs.list(directory).filter((name) => !name.startsWith('.')).flatMap((name) => {
    const stat = fs.tryStat(`${directory}/${name}`);
    return stat ? [{ name: stat.kind === 'directory' ? `${name}/` : name, stat }] : [];
  });
  rows.sort((a, b) => Number(b.name.endsWith('/')) - Number(a.name.endsWith('/')) || (a.name < b.name ? -1 : 1));
  const date = (ms: number): string => new Date(ms).toUTCString().replace(/^\w+, (\d+) (\w+) (\d+) (\d+:\d+).*$/, '$1-$2-$3 $4');
  if (settingValue(exchange.scope, 'autoindex_format') === 'json') {
    const items = rows.map(({ name, stat }) => ({ name: name.replace(/\/$/, ''), type: stat.kind === 'directory' ? 'directory' : 'file', mtime: new Date(stat.mtimeMs).toUTCString(), ...(stat.kind === 'directory' ? {} : { size: stat.size }) }));
    return { status: 200, type: 'application/json', body: Buffer.from(`${JSON.stringify(items)}\n`) };
  }
  const lines = rows.map(({ name, stat }) => {
    const shown = name.length > 50 ? `${name.slice(0, 47)}..>` : name;
    return `<a href="${encodeURIComponent(name).replaceAll('%2F', '/')}">${shown}</a>${' '.repeat(Math.max(0, 51 - shown.length))}${date(stat.mtimeMs)}${(name.endsWith('/') ? '-' : String(stat.size)).padStart(20)}\r\n`;
  });
  const title = `Index of ${exchange.uri}`;
  return { status: 200, type: 'text/html', body: Buffer.from(`<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<h1>${title}</h1><hr><pre><a href="../">../</a>\r\n${lines.join('')}</pre><hr></body>\r\n</html>\r\n`) };
}

function directoryContent(exchange: Exchange, path: string): Outcome {
  const { fs } = exchange.instance.proc;
  const names = setting(exchange.scope, 'index').flatMap(({ args }) => args);
  for (const template of names.length ? names : ['index.html']) {
    const name = expand(exchange, template);
    if (name.startsWith('/')) return { uri: name, args: exchange.args };
    if (fs.tryStat(`${path}${name}`)?.kind === 'file') return { uri: `${exchange.uri}${name}`, args: exchange.args };
  }
  if (settingFlag(exchange.scope, 'autoindex', false) && fs.isDirectory(path)) return { content: listing(exchange, path.replace(/\/$/, '')) };
  if (!fs.isDirectory(path)) {
    requestLog(exchange, 'error', `"${path}${names[0] ?? 'index.html'}" is not found (2: No such file or directory)`);
    return { error: 404 };
  }
  requestLog(exchange, 'error', `directory index of "${path}" is forbidden`);
  return { error: 403 };
}

/** Serves the file that the URI names. */
export function staticContent(exchange: Exchange): Outcome {
  const { method, uri } = exchange;
  const { fs } = exchange.instance.proc;
  if (!['GET', 'HEAD', 'POST'].includes(method)) return { error: 405 };
  const path = requestFile(exchange);
  if (uri.endsWith('/')) return directoryContent(exchange, path);
  try {
    const stat = fs.stat(path);
    if (stat.kind === 'directory') return { error: 301, location: absolute(exchange, `${escapePath(uri)}/${exchange.args ? `?${exchange.args}` : ''}`) };
    if (stat.kind !== 'file') return { error: 404 };
    if (method === 'POST') return { error: 405 };
    const etag = settingFlag(exchange.scope, 'etag', true) ? { etag: etagOf(stat) } : {};
    return { content: { status: 200, type: typeOf(exchange.scope, path), body: fs.readFile(path), lastModifiedMs: stat.mtimeMs, acceptRanges: true, ...etag } };
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    requestLog(exchange, 'error', `open() "${path}" failed (${systemReason(error)})`);
    return { error: statusOf(error) };
  }
}

/** The first of the paths that exists, else the last argument. */
export function tryFiles(exchange: Exchange, args: readonly string[]): Outcome | undefined {
  const { fs } = exchange.instance.proc;
  for (const template of args.slice(0, -1)) {
    const uri = expand(exchange, template);
    const path = requestFile(exchange, uri.startsWith('/') ? uri : `/${uri}`);
    // As nginx, the slash that asks for a directory is not part of the URI found, so `/dir` is still redirected.
    const wantsDirectory = template.endsWith('/');
    if ((fs.tryStat(path)?.kind === 'directory') !== wantsDirectory || !fs.exists(path)) continue;
    exchange.uri = wantsDirectory ? uri.slice(0, -1) : uri;
    exchange.rewritten = true;
    return undefined;
  }
  const last = args.at(-1) ?? '';
  if (last.startsWith('=')) return { error: Number(last.slice(1)) };
  if (last.startsWith('@')) return { named: last.slice(1) };
  const [uri = '', query] = expand(exchange, last).split(/\?(.*)/s);
  return { uri, args: query ?? exchange.args };
}
