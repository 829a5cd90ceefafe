import { FsError } from '../../fs/fs-error.ts';
import type { Proc } from '../../process/proc.ts';
import { modeString } from '../../busybox/ls.ts';
import type { Command, Flags } from './flags.ts';

const newFileText = 'mount-tester new file\n';

function fsType(proc: Proc, path: string): string {
  const real = proc.fs.realpath(path);
  const mount = [...proc.fs.mounts].sort((a, b) => b.at.length - a.at.length).find(({ at }) => at === '/' || real === at || real.startsWith(`${at}/`));
  return mount?.tree.type ?? 'unknown';
}

async function inLoop(proc: Proc, flags: Flags, path: string): Promise<void> {
  const retrySeconds = flags.number('retry_time', 180);
  const expected = flags.get('break_on_expected_content') !== 'false' ? flags.get('expected_content') : undefined;
  const end = proc.clock.monotonic() + retrySeconds * 1000;
  do {
    const content = proc.fs.exists(path) ? proc.fs.readText(path) : undefined;
    await proc.out(content === undefined ? `Error reading file ${path}: open ${path}: no such file or directory, retrying\n` : `content of file "${path}": ${content}\n`);
    if (expected !== undefined && content === expected) return;
    await proc.sleep(2000);
  } while (proc.clock.monotonic() < end);
}

/** Looks at mounts and files and reports, as the flags say. */
export const mounttest: Command = async (proc, flags) => {
  const { fs } = proc;
  try {
    for (const path of flags.all('fs_type')) await proc.out(`mount type of "${path}": ${fsType(proc, path)}\n`);
    for (const [flag, mode] of [['new_file_0644', 0o644], ['new_file_0666', 0o666], ['new_file_0660', 0o660], ['new_file_0777', 0o777]] as const) {
      for (const path of flags.all(flag)) {
        fs.writeFile(path, newFileText, mode);
        fs.setAttributes(path, { mode });
      }
    }
    for (const path of flags.all('rw_new_file')) {
      fs.writeFile(path, newFileText);
      await proc.out(`content of file "${path}": ${fs.readText(path)}\n`);
    }
    for (const path of flags.all('file_mode')) await proc.out(`mode of file "${path}": ${modeString(fs.stat(path))}\n`);
    for (const path of flags.all('file_perm')) await proc.out(`perms of file "${path}": -${modeString(fs.stat(path)).slice(1)}\n`);
    for (const path of flags.all('file_content')) await proc.out(`content of file "${path}": ${fs.readText(path)}\n`);
    for (const path of flags.all('file_owner')) await proc.out(`owner UID of "${path}": ${fs.stat(path).uid}\nowner GID of "${path}": ${fs.stat(path).gid}\n`);
    for (const path of flags.all('file_content_in_loop')) await inLoop(proc, flags, path);
    return 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.err(`error: ${error.path}: ${error.message.toLowerCase()}\n`);
    return 1;
  }
};
