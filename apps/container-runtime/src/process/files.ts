import { readAt, writeAt } from '../fs/disk.ts';
import { FsError } from '../fs/fs-error.ts';
import type { FileRef } from '../fs/tree.ts';
import { type OpenFile, nullFile, openFile } from './open-file.ts';
import type { Proc } from './proc.ts';

export interface OpenFlags {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly append?: boolean;
  readonly truncate?: boolean;
  readonly create?: boolean;
  readonly exclusive?: boolean;
}

const zeros = new Uint8Array(64 * 1024);

function storedFile(ref: FileRef, { path, flags, isDisk }: { path: string; flags: OpenFlags; isDisk: boolean }): OpenFile {
  let at = 0;
  return openFile({
    description: path,
    close: () => ref.close?.(),
    async read(max) {
      const chunk = readAt(ref, at, max);
      if (chunk.length === 0) return undefined;
      at += chunk.length;
      return chunk;
    },
    seek(to, cut) {
      if (cut && !isDisk && ref.size() > to) ref.write(ref.read().slice(0, to));
      at = to;
    },
    write(bytes) {
      if (!flags.write) throw new FsError('EBADF');
      if (flags.append && !isDisk) ref.append(bytes);
      else {
        writeAt(ref, at, bytes);
        at += bytes.length;
      }
    },
  });
}

/** How often a device may be used between two pauses: it never waits for anything, and whoever copies from it for ever must not stop the others. */
const burst = 64;

function endless(proc: Proc, device: { path: string; make(max: number): Uint8Array; write?(): Promise<void> }): OpenFile {
  const { path, make, write = () => undefined } = device;
  let used = 0;
  return openFile({
    description: path,
    async read(max) {
      if (++used % burst === 0) await proc.sleep(1);
      return make(max);
    },
    write,
  });
}

function deviceFile(proc: Proc, device: string, path: string): OpenFile {
  const zero = (max: number): Uint8Array => zeros.subarray(0, max);
  switch (device) {
    case 'null':
      return nullFile();
    case 'zero':
      return endless(proc, { path, make: zero });
    case 'full':
      return endless(proc, { path, make: zero, write: () => Promise.reject(new FsError('ENOSPC')) });
    case 'random':
      return endless(proc, { path, make: (max) => Uint8Array.from({ length: Math.min(max, 4096) }, () => proc.random.int(256)) });
    case 'tty': {
      const tty = [0, 1, 2].map((fd) => proc.fds.get(fd)).find((file) => file?.isTty);
      if (!tty) throw new FsError('ENXIO', path);
      return tty.retain();
    }
    default: {
      const file = /^fd\d+$/.test(device) ? proc.fds.get(Number(device.slice(2))) : undefined;
      if (!file) throw new FsError('ENXIO', path);
      return file.retain();
    }
  }
}

/** Opens a path as open(2) does, devices and /dev/fd included. Throws FsError. */
export function openPath(proc: Proc, path: string, flags: OpenFlags): OpenFile {
  const absolute = proc.path(path);
  const number = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(absolute);
  if (number) return deviceFile(proc, `fd${number[1]}`, path);
  const stat = proc.fs.tryStat(absolute);
  if (stat?.kind === 'device') return deviceFile(proc, proc.fs.device(absolute) ?? 'null', path);
  const { read = false, write = false, truncate = false, exclusive = false } = flags;
  const isDisk = stat?.kind === 'disk';
  const ref = proc.fs.open(absolute, { read, write, truncate: truncate && !isDisk, exclusive, ...(flags.create ? { create: 0o666 & ~proc.umask } : {}) });
  return storedFile(ref, { path: absolute, flags, isDisk });
}

/** All bytes of an open file up to its end. */
export async function readAll(proc: Proc, file: OpenFile): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await file.read(64 * 1024, proc.signal); chunk; chunk = await file.read(64 * 1024, proc.signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Lines of an open file without their newline, as they arrive. `ended` tells whether the line had one. */
export async function* lines(proc: Proc, file: OpenFile): AsyncGenerator<{ text: string; ended: boolean }> {
  let rest = Buffer.alloc(0);
  for (let chunk = await file.read(64 * 1024, proc.signal); chunk; chunk = await file.read(64 * 1024, proc.signal)) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : Buffer.from(chunk);
    let start = 0;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      yield { text: rest.toString('utf8', start, end), ended: true };
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  if (rest.length) yield { text: rest.toString(), ended: false };
}
