import { FsError } from '../fs/fs-error.ts';
import { openPath } from '../process/files.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError } from './applet.ts';

const units: Readonly<Record<string, number>> = { '': 1, c: 1, w: 2, b: 512, k: 1024, K: 1024, kB: 1000, M: 1024 ** 2, MB: 1000 ** 2, G: 1024 ** 3, GB: 1000 ** 3 };

function size(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) throw new UsageError(`invalid number '${text}'`);
  return Number(digits) * factor;
}

/** The next `length` bytes, fewer at the end. */
async function block(proc: Proc, file: OpenFile, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let have = 0;
  while (have < length) {
    const bytes = await file.read(length - have, proc.signal);
    if (!bytes) break;
    parts.push(bytes);
    have += bytes.length;
  }
  return Buffer.concat(parts);
}

const holdMs = 1000;

interface Plan {
  readonly input: OpenFile;
  readonly output: OpenFile;
  readonly blockBytes: number;
  readonly count: number;
  readonly skip: number;
}

async function copy(proc: Proc, { input, output, blockBytes, count, skip }: Plan): Promise<{ whole: number; partial: number; bytes: number }> {
  if (skip > 0 && !input.seek(skip * blockBytes, false)) for (let i = 0; i < skip; i++) await block(proc, input, blockBytes);
  const done = { whole: 0, partial: 0, bytes: 0 };
  let heldUntilMs = 0;
  while (done.whole + done.partial < count) {
    // The buffer is as big as a block, which is how tests use up a container's memory.
    if (proc.clock.monotonic() >= heldUntilMs) {
      proc.host.load.hold(blockBytes, holdMs);
      heldUntilMs = proc.clock.monotonic() + holdMs;
    }
    const bytes = await block(proc, input, blockBytes);
    if (bytes.length === 0) break;
    await output.write(bytes, proc.signal);
    done.bytes += bytes.length;
    if (bytes.length === blockBytes) done.whole++;
    else done.partial++;
  }
  return done;
}

const shownUnits = ['B', 'KB', 'MB', 'GB', 'TB'];

/** `10.0MB`, as busybox shows sizes here. */
function shownSize(bytes: number): string {
  const power = Math.min(shownUnits.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${Math.floor(bytes)}B` : `${(bytes / 1024 ** power).toFixed(1)}${shownUnits[power]}`;
}

/** dd: copies blocks; conversions other than notrunc, noerror, sync and fsync are refused. */
export const dd: Applet = async (proc, args) => {
  const value = new Map<string, string>();
  for (const arg of args) {
    const [name = '', text] = arg.split(/=(.*)/s);
    if (text === undefined || !['if', 'of', 'bs', 'ibs', 'obs', 'count', 'skip', 'seek', 'conv', 'status', 'iflag', 'oflag'].includes(name)) throw new UsageError(`unknown operand: ${arg}`);
    value.set(name, text);
  }
  const conversions = (value.get('conv') ?? '').split(',').filter(Boolean);
  for (const name of conversions) if (!['notrunc', 'noerror', 'sync', 'fsync', 'fdatasync'].includes(name)) throw new UsageError(`invalid argument '${name}' to 'conv'`);
  const blockBytes = size(value.get('bs') ?? value.get('ibs') ?? '512');
  const seek = size(value.get('seek') ?? '0');
  let input: OpenFile | undefined;
  let output: OpenFile | undefined;
  try {
    input = value.has('if') ? openPath(proc, value.get('if') as string, { read: true }) : proc.fds.get(0)?.retain();
    output = value.has('of') ? openPath(proc, value.get('of') as string, { write: true, create: true, truncate: seek === 0 && !conversions.includes('notrunc') }) : proc.fds.get(1)?.retain();
    if (!input || !output) throw new FsError('EBADF');
    // What is skipped in a pipe are zeros.
    if (seek > 0 && !output.seek(seek * blockBytes, !conversions.includes('notrunc'))) await output.write(new Uint8Array(seek * blockBytes), proc.signal);
    const count = value.has('count') ? size(value.get('count') as string) : Number.POSITIVE_INFINITY;
    const { whole, partial, bytes } = await copy(proc, { input, output, blockBytes, count, skip: size(value.get('skip') ?? '0') });
    const records = `${whole}+${partial} records`;
    if (value.get('status') !== 'none') await proc.err(`${records} in\n${records} out\n${value.get('status') === 'noxfer' ? '' : `${bytes} bytes (${shownSize(bytes)}) copied, 0.000000 seconds, 0B/s\n`}`);
    return 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.err(`dd: can't open '${error.path || (value.get('of') ?? value.get('if') ?? '')}': ${error.message}\n`);
    return 1;
  } finally {
    input?.release();
    output?.release();
  }
};
