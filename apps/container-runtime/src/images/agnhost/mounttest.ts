import { FsError } from '../../fs/fs-error.ts';
import type { Proc } from '../../process/proc.ts';
import { type Command, type Flags } from './flags.ts';
import { goFileError, goMode, goPermissions } from './go-text.ts';

const initialContent = 'mount-tester new file\n';
const retryEveryMs = 2000;

/** The numbers statfs gives; tmpfs is said by name. */
const magic: Readonly<Record<string, string>> = { tmpfs: 'tmpfs', overlay: '2035054128', ext4: '61267', proc: '40864', sysfs: '1650812274' };

function mountType(proc: Proc, path: string): string {
  const { type } = proc.fs.mountOf(path).tree;
  return magic[type] ?? type;
}

/** One thing to report; false when it failed, which is printed and does not stop the others. */
async function report(proc: Proc, path: string | undefined, step: { complaint: string; operation: string; text: (path: string) => string }): Promise<boolean> {
  if (!path) return true;
  try {
    await proc.out(step.text(path));
    return true;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.out(`${step.complaint.replace('%q', JSON.stringify(path))}: ${goFileError(step.operation, path, error)}\n`);
    return false;
  }
}

const contentOf = (proc: Proc) => (path: string): string => `content of file ${JSON.stringify(path)}: ${proc.fs.readText(proc.path(path))}\n`;

function newFile(proc: Proc, path: string | undefined, mode: number): Promise<boolean> {
  return report(proc, path, {
    complaint: 'error writing new file %q',
    operation: 'open',
    text: (name) => {
      const full = proc.path(name);
      const isNew = !proc.fs.exists(full);
      proc.fs.writeFile(full, initialContent, mode);
      if (isNew) proc.fs.setAttributes(full, { mode });
      return contentOf(proc)(name);
    },
  });
}

async function inLoop(proc: Proc, flags: Flags): Promise<boolean> {
  const path = flags.get('file_content_in_loop');
  if (!path) return true;
  const end = proc.clock.monotonic() + flags.number('retry_time', 180) * 1000;
  const stops = flags.boolean('break_on_expected_content', true);
  let readable = true;
  for (; proc.clock.monotonic() < end; await proc.sleep(retryEveryMs)) {
    try {
      const text = proc.fs.readText(proc.path(path));
      readable = true;
      await proc.out(`content of file ${JSON.stringify(path)}: ${text}\n`);
      if (!stops) continue;
      if (text === initialContent) break;
      await proc.out(`Unexpected content. Expected: ${initialContent}. Retrying`);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      readable = false;
      await proc.out(`Error reading file ${path}: ${goFileError('open', path, error)}, retrying\n`);
    }
  }
  return readable;
}

/** Looks at mounts and files and reports what the flags ask for, always in this order. */
export const mounttest: Command = async (proc, flags) => {
  const stat = (path: string) => proc.fs.stat(proc.path(path));
  const quoted = JSON.stringify;
  const results = [await report(proc, flags.get('fs_type'), { complaint: 'error from statfs(%q)', operation: 'statfs', text: (path) => `mount type of ${quoted(path)}: ${mountType(proc, proc.path(path))}\n` })];
  for (const [flag, mode] of [['new_file_0644', 0o644], ['new_file_0666', 0o666], ['new_file_0660', 0o660], ['new_file_0777', 0o777]] as const) results.push(await newFile(proc, flags.get(flag), mode));
  results.push(
    await report(proc, flags.get('file_mode'), { complaint: 'error from Stat(%q)', operation: 'stat', text: (path) => `mode of file ${quoted(path)}: ${goMode(stat(path))}\n` }),
    await report(proc, flags.get('file_perm'), { complaint: 'error from Stat(%q)', operation: 'stat', text: (path) => `perms of file ${quoted(path)}: -${goPermissions(stat(path).mode)}\n` }),
    await report(proc, flags.get('file_owner'), { complaint: 'error from stat(%q)', operation: 'stat', text: (path) => `owner UID of ${quoted(path)}: ${stat(path).uid}\nowner GID of ${quoted(path)}: ${stat(path).gid}\n` }),
    await report(proc, flags.get('file_content'), { complaint: 'error reading file content for %q', operation: 'open', text: contentOf(proc) }),
    await inLoop(proc, flags),
  );
  return results.every(Boolean) ? 0 : 1;
};
