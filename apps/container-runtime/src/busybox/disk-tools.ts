import { FsError } from '../fs/fs-error.ts';
import { type Applet, UsageError, parseOptions } from './applet.ts';

const sectorBytes = 512;

/** blockdev: what a disk tells of itself; nothing about it can be changed. */
const blockdev: Applet = async (proc, args) => {
  const [option = '', ...paths] = args;
  const [path] = paths;
  if (!path) throw new UsageError('BLOCKDEV is missing');
  const absolute = proc.path(path);
  const disk = proc.fs.open(absolute, { read: true });
  try {
    if (proc.fs.stat(absolute).kind !== 'disk') {
      await proc.err('blockdev: ioctl error: Inappropriate ioctl for device\n');
      return 1;
    }
    const told: Readonly<Record<string, () => number>> = {
      '--getsize64': () => disk.size(),
      '--getsz': () => Math.floor(disk.size() / sectorBytes),
      '--getsize': () => Math.floor(disk.size() / sectorBytes),
      '--getss': () => sectorBytes,
      '--getbsz': () => 4096,
      '--getro': () => (proc.fs.access(absolute, 'w') ? 0 : 1),
    };
    const tell = told[option];
    if (!tell) throw new UsageError(`unrecognized option: ${option}`);
    await proc.out(`${tell()}\n`);
    return 0;
  } finally {
    disk.close?.();
  }
};

const units: Readonly<Record<string, number>> = { '': 1, K: 1024, k: 1024, M: 1024 ** 2, G: 1024 ** 3, KB: 1000, MB: 1000 ** 2, GB: 1000 ** 3 };

/** truncate: makes files as long as is asked for. */
const truncate: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'cs:', { long: { size: 's:', 'no-create': 'c' } });
  const [, sign = '', digits, unit = ''] = /^([+-]?)(\d+)([a-zA-Z]*)$/.exec(values.get('s') ?? '') ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) throw new UsageError(values.has('s') ? `invalid number '${values.get('s')}'` : 'option -s is required');
  let status = 0;
  for (const operand of operands) {
    const path = proc.path(operand);
    if (flags.has('c') && !proc.fs.exists(path)) continue;
    try {
      const file = proc.fs.open(path, { read: true, write: true, create: 0o666 & ~proc.umask });
      const old = file.size();
      const size = Math.max(0, sign === '+' ? old + Number(digits) * factor : sign === '-' ? old - Number(digits) * factor : Number(digits) * factor);
      // The last byte makes the file so long without the others being there, where the file system can do that.
      if (size < old) file.write(file.read().slice(0, size));
      else if (size > old && file.writeAt) file.writeAt(size - 1, new Uint8Array(1));
      else if (size > old) file.append(new Uint8Array(size - old));
      file.close?.();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`truncate: ${operand}: ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

export const diskTools = { blockdev, truncate };
