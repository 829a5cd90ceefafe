import { FsError } from '../../fs/fs-error.ts';
import { openPath } from '../../process/files.ts';
import type { Proc } from '../../process/proc.ts';
import type { Exchange, LogLevel } from './exchange.ts';
import { errorLogTime } from './log-time.ts';
import { type Scope, configPrefix, setting } from './scope.ts';
import { expand } from './variables.ts';
import { resolvePath } from '../../fs/vfs.ts';

const levels: readonly LogLevel[] = ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'];

/** Appends to a log file; the usual ones are links to stdout and stderr. */
async function append(proc: Proc, path: string, text: string): Promise<void> {
  const file = openPath(proc, path, { write: true, create: true, append: true });
  try {
    await file.write(Buffer.from(text), proc.signal);
  } finally {
    file.release();
  }
}

function lost(proc: Proc, path: string): (error: unknown) => void {
  return (error) => {
    if (error instanceof FsError) void proc.err(`nginx: [alert] write() to "${path}" failed (${error.message})\n`).catch(() => undefined);
  };
}

/** Writes to the error log of a scope when its level asks for it. The path `stderr` is the descriptor. */
export async function writeErrorLog(proc: Proc, scope: Scope | undefined, entry: { level: LogLevel; message: string }): Promise<void> {
  const { level, message } = entry;
  const line = `${errorLogTime(proc.clock.now())} [${level}] ${proc.pid}#${proc.pid}: ${message}\n`;
  const targets = scope ? setting(scope, 'error_log').map(({ args }) => args) : [];
  for (const [path = '/var/log/nginx/error.log', wanted = 'error'] of targets.length ? targets : [[]]) {
    if (levels.indexOf(level) < levels.indexOf(wanted as LogLevel)) continue;
    if (path === 'stderr') await proc.err(line);
    else if (!path.startsWith('syslog:') && !path.startsWith('memory:')) {
      const full = resolvePath(configPrefix, path);
      await append(proc, full, line).catch(lost(proc, full));
    }
  }
}

/** A line about a request, with who asked for what. */
export function requestLog(exchange: Exchange, level: LogLevel, message: string, upstream?: string): void {
  const { request, server, connection, instance, scope } = exchange;
  const host = request.headers['host'];
  const tail = `, client: ${request.remote.ip}, server: ${server.names[0] ?? ''}, request: "${request.method} ${request.target} HTTP/${request.version}"${upstream === undefined ? '' : `, upstream: "${upstream}"`}${host === undefined ? '' : `, host: "${host}"`}`;
  instance.log(scope, level, `*${connection} ${message}${tail}`);
}

const combined = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

const hex = (c: string): string => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

function formatLine(exchange: Exchange, name: string): string {
  const definition = setting(exchange.scope, 'log_format').find(({ args }) => args[0] === name);
  if (!definition) return expandEscaped(exchange, combined, 'default');
  const [, first = '', ...rest] = definition.args;
  const escape = /^escape=(\w+)$/.exec(first)?.[1];
  return expandEscaped(exchange, [...(escape ? [] : [first]), ...rest].join(''), escape ?? 'default');
}

function expandEscaped(exchange: Exchange, format: string, escape: string): string {
  return format.replace(/\$(?:\{(\w+)\}|(\w+))/g, (reference) => {
    const value = expand(exchange, reference, '\0');
    if (value === '\0' || value === '') return escape === 'default' ? '-' : '';
    if (escape === 'json') return JSON.stringify(value).slice(1, -1);
    return escape === 'none' ? value : value.replace(/["\\\x00-\x1f\x7f-\xff]/g, hex);
  });
}

/** Writes the access log lines of a finished request. */
export async function writeAccessLog(exchange: Exchange): Promise<void> {
  const { proc } = exchange.instance;
  const targets = setting(exchange.scope, 'access_log').map(({ args }) => args);
  for (const [path = '/var/log/nginx/access.log', format = 'combined', ...options] of targets.length ? targets : [[]]) {
    if (path === 'off' || path.startsWith('syslog:')) continue;
    const condition = [format, ...options].find((option) => option.startsWith('if='))?.slice(3);
    if (condition !== undefined && ['', '0'].includes(expand(exchange, condition))) continue;
    const full = resolvePath(configPrefix, expand(exchange, path));
    await append(proc, full, `${formatLine(exchange, format)}\n`).catch(lost(proc, full));
  }
}
