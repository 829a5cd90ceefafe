import { type Endpoint, type NetError, formatEndpoint } from '@orrery/vnet';
import type { FsError } from '../../fs/fs-error.ts';
import type { Stat } from '../../fs/tree.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

/** A line of Go's `log` package: date, time, text, on stderr. */
export function goLog(proc: Proc, text: string): Promise<void> {
  const at = new Date(proc.clock.now()).toISOString();
  return proc.err(`${at.slice(0, 10).replaceAll('-', '/')} ${at.slice(11, 19)} ${text.replace(/\n$/, '')}\n`);
}

/** As log.Fatal: the line, then exit code 1. */
export async function goFatal(proc: Proc, text: string): Promise<number> {
  await goLog(proc, text);
  return 1;
}

/** A klog line: `I1120 11:12:23.000000       1 file.go:76] text`. */
export function klogLine(proc: Proc, options: { level: 'I' | 'F'; source: string; text: string }): string {
  const at = new Date(proc.clock.now());
  return `${options.level}${pad(at.getUTCMonth() + 1)}${pad(at.getUTCDate())} ${at.toISOString().slice(11, 23)}000 ${String(proc.pid).padStart(7)} ${options.source}] ${options.text}\n`;
}

/** JSON as Go's encoder writes a map: keys in order, `<`, `>` and `&` escaped. */
export function goJson(map: Readonly<Record<string, unknown>>): string {
  const sorted = Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(sorted).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A file's mode as os.FileMode prints it. */
export function goMode({ kind, mode }: Stat): string {
  const types = `${kind === 'directory' ? 'd' : kind === 'symlink' ? 'L' : kind === 'device' ? 'Dc' : kind === 'disk' ? 'D' : ''}${mode & 0o4000 ? 'u' : ''}${mode & 0o2000 ? 'g' : ''}${mode & 0o1000 ? 't' : ''}`;
  return `${types || '-'}${goPermissions(mode)}`;
}

/** The nine permission letters. */
export function goPermissions(mode: number): string {
  return [...'rwxrwxrwx'].map((letter, i) => (mode & (1 << (8 - i)) ? letter : '-')).join('');
}

export function goFileError(operation: string, path: string, error: FsError): string {
  return `${operation} ${path}: ${error.message.toLowerCase()}`;
}

/** What net.Dial's error says. */
export function goNetError(error: NetError | ResolveError, to: { network: 'tcp' | 'udp'; endpoint?: Endpoint; host: string }): string {
  if (error instanceof ResolveError) return `lookup ${to.host}: ${error.kind === 'not found' ? 'no such host' : 'i/o timeout'}`;
  const where = to.endpoint ? ` ${formatEndpoint(to.endpoint)}` : '';
  const why = ({ ECONNREFUSED: 'connect: connection refused', EHOSTUNREACH: 'connect: no route to host', ETIMEDOUT: 'i/o timeout' } as Readonly<Record<string, string>>)[error.code];
  return why ? `dial ${to.network}${where}: ${why}` : error.message;
}
