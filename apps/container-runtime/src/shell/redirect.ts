import { FsError } from '../fs/fs-error.ts';
import { openPath } from '../process/files.ts';
import { type OpenFile, bytesFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';
import type { Redirect } from './ast.ts';
import { type ExpansionContext, expandText } from './expand.ts';
import { ShellError } from './state.ts';

/** A redirection that failed: the command is not run, its status is 1. */
export class RedirectError extends Error {}

function cannot(action: 'open' | 'create', path: string, error: FsError): RedirectError {
  const reason = error.code === 'ENOENT' ? (action === 'open' ? 'no such file' : 'nonexistent directory') : error.message;
  return new RedirectError(`can't ${action} ${path}: ${reason}`);
}

function open(proc: Proc, redirect: Redirect, target: string): OpenFile {
  const reading = redirect.operator === '<';
  try {
    switch (redirect.operator) {
      case '<':
        return openPath(proc, target, { read: true });
      case '>>':
        return openPath(proc, target, { write: true, create: true, append: true });
      case '<>':
        return openPath(proc, target, { read: true, write: true, create: true });
      default:
        return openPath(proc, target, { write: true, create: true, truncate: true });
    }
  } catch (error) {
    if (error instanceof FsError) throw cannot(reading ? 'open' : 'create', target, error);
    throw error;
  }
}

/** Applies redirections to the process's own descriptors; the result puts them back. Throws RedirectError. */
export async function redirect(context: ExpansionContext, redirects: readonly Redirect[], noClobber = false): Promise<() => void> {
  const { proc } = context;
  const saved = new Map<number, OpenFile | undefined>();
  const place = (fd: number, file: OpenFile | undefined): void => {
    const old = proc.fds.get(fd);
    if (saved.has(fd)) old?.release();
    else saved.set(fd, old);
    if (file) proc.fds.set(fd, file);
    else proc.fds.delete(fd);
  };
  const restore = (): void => {
    for (const [fd, file] of saved) {
      proc.fds.get(fd)?.release();
      if (file) proc.fds.set(fd, file);
      else proc.fds.delete(fd);
    }
  };
  try {
    for (const item of redirects) {
      const target = await expandText(context, item.target);
      if (item.operator === '<<') place(item.fd, bytesFile(Buffer.from(target)));
      else if (item.operator === '<<<') place(item.fd, bytesFile(Buffer.from(`${target}\n`)));
      else if (item.operator === '<&' || item.operator === '>&') {
        if (target === '-') place(item.fd, undefined);
        else {
          if (!/^\d+$/.test(target)) throw new ShellError('syntax error: bad fd number');
          const source = proc.fds.get(Number(target));
          if (!source) throw new RedirectError(`${target}: Bad file descriptor`);
          place(item.fd, source.retain());
        }
      } else {
        if (item.operator === '>' && noClobber && proc.fs.tryStat(proc.path(target))?.kind === 'file') {
          throw new RedirectError(`can't create ${target}: File exists`);
        }
        place(item.fd, open(proc, item, target));
      }
    }
  } catch (error) {
    restore();
    throw error;
  }
  return restore;
}
