import { containerLogName, containerLogsDir } from '@orrery/cri';
import type { Clock } from '@orrery/runtime';
import { FsError } from '../fs/fs-error.ts';
import type { FileRef, Parts, Stat, Tree } from '../fs/tree.ts';
import type { LogSink } from './logs.ts';

export const podLogsDir = '/var/log/pods';

type ShownLogs = Required<Pick<LogSink, 'held' | 'extentNow' | 'readNow'>>;

/** Files, links and directories that nobody can change. */
interface Content {
  find(parts: Parts): 'directory' | { readonly link: string } | { readonly log: string } | undefined;
  list(parts: Parts): Iterable<string>;
}

const refuse = (): never => {
  throw new FsError('EROFS');
};

/** What is kept of a log, as a file. Once the log has lost its beginning the file does not begin where it did. */
function logFile(logs: ShownLogs, path: string): FileRef {
  const extent = () => logs.extentNow(path) ?? { start: 0, end: 0 };
  const readAt = (at: number, max: number): Uint8Array => {
    const { start, end } = extent();
    return logs.readNow(path, start + at, Math.max(0, Math.min(max, end - start - at)));
  };
  const size = (): number => extent().end - extent().start;
  return { size, readAt, read: () => readAt(0, size()), write: refuse, append: refuse };
}

/** A number of its own for each name, as files of a disk have: collectors tell by it whether they know a file. */
function inodeOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) + 2;
}

function contentTree(content: Content, { logs, clock, at }: { logs: ShownLogs; clock: Clock; at: string }): Tree {
  const stat = (parts: Parts): Stat | undefined => {
    const found = content.find(parts);
    if (found === undefined) return undefined;
    const base = { uid: 0, gid: 0, mtimeMs: clock.now(), ino: inodeOf(`${at}/${parts.join('/')}`), nlink: 1 };
    if (found === 'directory') return { ...base, kind: 'directory', mode: 0o755, size: 4096 };
    if ('link' in found) return { ...base, kind: 'symlink', mode: 0o777, size: found.link.length };
    return { ...base, kind: 'file', mode: 0o640, size: logFile(logs, found.log).size() };
  };
  return {
    source: '/dev/vda1',
    type: 'ext4',
    stat,
    list(parts) {
      const found = content.find(parts);
      if (found !== 'directory') throw new FsError(found ? 'ENOTDIR' : 'ENOENT');
      return [...new Set(content.list(parts))];
    },
    readlink(parts) {
      const found = content.find(parts);
      if (typeof found !== 'object' || !('link' in found)) throw new FsError(found ? 'EINVAL' : 'ENOENT');
      return found.link;
    },
    open(parts, { write, truncate, create }) {
      const found = content.find(parts);
      if (found === 'directory') throw new FsError('EISDIR');
      if (write || truncate || (create && !found)) return refuse();
      if (!found || !('log' in found)) throw new FsError('ENOENT');
      return logFile(logs, found.log);
    },
    mkdir: refuse,
    symlink: refuse,
    link: refuse,
    remove: refuse,
    rename: refuse,
    setAttributes: refuse,
    device: () => undefined,
  };
}

/** Logs that lie in memory as the node's `/var/log/pods` and `/var/log/containers`; nothing where the runtime writes real files. */
export function logTrees(sink: LogSink | undefined, clock: Clock): { readonly at: string; readonly tree: Tree }[] {
  const { held, extentNow, readNow } = sink ?? {};
  if (!held || !extentNow || !readNow) return [];
  const logs: ShownLogs = { held: held.bind(sink), extentNow: extentNow.bind(sink), readNow: readNow.bind(sink) };
  const below = (parts: Parts): string => [podLogsDir, ...parts].join('/');
  const pods: Content = {
    find(parts) {
      const path = below(parts);
      if (logs.extentNow(path)) return { log: path };
      if (parts.length === 0) return 'directory';
      for (const { path: log } of logs.held()) if (log.startsWith(`${path}/`)) return 'directory';
      return undefined;
    },
    *list(parts) {
      const prefix = `${below(parts)}/`;
      for (const { path } of logs.held()) if (path.startsWith(prefix)) yield path.slice(prefix.length).split('/')[0] ?? '';
    },
  };
  const links: Content = {
    find([name, ...more]) {
      if (name === undefined) return 'directory';
      if (more.length === 0) for (const { path, container } of logs.held()) if (containerLogName(path, container) === name) return { link: path };
      return undefined;
    },
    *list() {
      for (const { path, container } of logs.held()) {
        const name = containerLogName(path, container);
        if (name) yield name;
      }
    },
  };
  return [
    { at: podLogsDir, tree: contentTree(pods, { logs, clock, at: podLogsDir }) },
    { at: containerLogsDir, tree: contentTree(links, { logs, clock, at: containerLogsDir }) },
  ];
}
