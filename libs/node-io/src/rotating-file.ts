import { closeSync, createReadStream, createWriteStream, fstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** Where lines of a log go. */
export interface LineSink {
  /** Appends all bytes before it returns. Throws the platform's error (ENOSPC …). */
  write(bytes: Uint8Array): void;
  close(): void;
}

export interface RotatingFileOptions {
  readonly path: string;
  /** Size at which the file is set aside and a new one begun; 0: 100 MiB, as upstream's. */
  readonly maxMegabytes: number;
  /** Files set aside go after so many days; 0: never. */
  readonly maxAgeDays: number;
  /** Files set aside that are kept; 0: all. */
  readonly maxBackups: number;
  /** Compresses files set aside. */
  readonly compress: boolean;
  readonly now: () => number;
  /** Hears of failures to tidy up; the log itself goes on. */
  readonly onError: (error: unknown) => void;
}

const dayMs = 24 * 60 * 60 * 1000;

/** `audit-2026-01-02T03-04-05.678.log`: the names upstream's rotation gives. */
function backupName(path: string, ms: number): string {
  const extension = extname(path);
  const stamp = new Date(ms).toISOString().slice(0, 23).replaceAll(':', '-');
  return join(dirname(path), `${basename(path, extension)}-${stamp}${extension}`);
}

/** Files set aside earlier, newest first, with when that was. */
function backupsOf(path: string): { path: string; at: number }[] {
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  return readdirSync(dirname(path))
    .flatMap((name) => {
      const plain = name.endsWith('.gz') ? name.slice(0, -3) : name;
      if (!plain.startsWith(prefix) || !plain.endsWith(extension)) return [];
      const stamp = plain.slice(prefix.length, plain.length - extension.length);
      const at = Date.parse(`${stamp.slice(0, 11)}${stamp.slice(11).replaceAll('-', ':')}Z`);
      return Number.isNaN(at) ? [] : [{ path: join(dirname(path), name), at }];
    })
    .sort((a, b) => b.at - a.at);
}

async function compressFile(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`, { mode: 0o600 }));
  rmSync(path);
}

async function tidy({ path, maxAgeDays, maxBackups, compress, now }: RotatingFileOptions): Promise<void> {
  const all = backupsOf(path);
  const isOver = (at: number, index: number): boolean => (maxBackups > 0 && index >= maxBackups) || (maxAgeDays > 0 && now() - at > maxAgeDays * dayMs);
  for (const [index, backup] of all.entries()) {
    if (isOver(backup.at, index)) rmSync(backup.path, { force: true });
    else if (compress && !backup.path.endsWith('.gz')) await compressFile(backup.path);
  }
}

/** A log file (mode 0600, its directory made if need be) that is set aside when it is full. */
export function rotatingFile(options: RotatingFileOptions): LineSink {
  const { path, now, onError } = options;
  const limit = (options.maxMegabytes || 100) * 1024 * 1024;
  mkdirSync(dirname(path), { recursive: true });
  let fd = openSync(path, 'a', 0o600);
  let size = fstatSync(fd).size;
  const rotate = (): void => {
    let at = now();
    while (statSync(backupName(path, at), { throwIfNoEntry: false })) at += 1;
    closeSync(fd);
    renameSync(path, backupName(path, at));
    fd = openSync(path, 'a', 0o600);
    size = 0;
    void tidy(options).catch(onError);
  };
  return {
    write(bytes) {
      if (size > 0 && size + bytes.length > limit) rotate();
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      size += bytes.length;
    },
    close: () => closeSync(fd),
  };
}

/** Standard output as a log. */
export function standardOutput(): LineSink {
  return { write: (bytes) => void process.stdout.write(bytes), close: () => undefined };
}
