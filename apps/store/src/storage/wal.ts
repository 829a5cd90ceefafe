import { type Disk, type DiskFile, isDiskFull } from '@orrery/runtime';
import { findLaterFrame, forEachRecord, isBlank, readFrame } from './frame.ts';

/** The log cannot be trusted: it is refused rather than served with a hole. */
export class WalCorruptError extends Error {
  constructor(file: string, offset: number, what: string) {
    super(`write-ahead log ${file} is corrupt at offset ${offset}: ${what}; restore a backup, or start with an empty data directory`);
    this.name = 'WalCorruptError';
  }
}

/** A failure after which it is unknown what is on disk: nothing more is written. */
export class WalBrokenError extends Error {
  constructor(cause: unknown) {
    super(`write-ahead log failed, restart needed: ${(cause as Error).message}`, { cause });
    this.name = 'WalBrokenError';
  }
}

/** The disk took nothing of what was to be appended: it is full. The log goes on when there is room. */
export class DiskFullError extends Error {
  constructor(cause: unknown) {
    super(`disk full: ${(cause as Error).message}`, { cause });
    this.name = 'DiskFullError';
  }
}

export interface WalRecord {
  readonly index: number;
  readonly term: number;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

export interface WalOptions {
  readonly disk: Disk;
  readonly dir: string;
  /** A new segment begins when one is this large. */
  readonly segmentBytes: number;
}

const prefix = 'wal-';
const suffix = '.log';

function segmentName(firstIndex: number): string {
  return `${prefix}${firstIndex.toString(16).padStart(14, '0')}${suffix}`;
}

function firstIndexOf(name: string): number {
  return Number.parseInt(name.slice(prefix.length, -suffix.length), 16);
}

function isSegment(name: string): boolean {
  return name.startsWith(prefix) && name.endsWith(suffix) && Number.isInteger(firstIndexOf(name));
}

/** An append-only log of entries in segments. What `append` resolved for survives any crash. One append at a time. */
export class Wal {
  private readonly options: WalOptions;
  /** First indexes of the segments, oldest first; the last is open. */
  private readonly segments: { firstIndex: number; size: number }[] = [];
  private file: DiskFile | undefined;
  private broken: WalBrokenError | undefined;
  /** Called once when the log has failed for good: what is on the disk must be read anew. */
  onBroken: (() => void) | undefined;

  private constructor(options: WalOptions) {
    this.options = options;
  }

  /**
   * Reads the log after entry `afterIndex` (that of the snapshot) in order, cuts a torn tail off, and opens it for
   * appending. Throws WalCorruptError for damage before the end, or when entries are missing.
   */
  static async open(options: WalOptions & { afterIndex: number }, visit: (record: WalRecord) => void): Promise<Wal> {
    const wal = new Wal(options);
    const names = (await options.disk.list(options.dir)).filter(isSegment).sort((a, b) => firstIndexOf(a) - firstIndexOf(b));
    const next = await wal.replay(names, options.afterIndex, visit);
    if (!wal.file) await wal.begin(next);
    return wal;
  }

  /** Whether a directory holds a log. */
  static async exists(disk: Disk, dir: string): Promise<boolean> {
    return (await disk.list(dir)).some(isSegment);
  }

  private path(name: string): string {
    return `${this.options.dir}/${name}`;
  }

  private async replay(names: readonly string[], afterIndex: number, visit: (record: WalRecord) => void): Promise<number> {
    // Older segments may be left from a crash between a snapshot and the removal of what it covers.
    const needed = names.filter((_, i) => i === names.length - 1 || firstIndexOf(names[i + 1] as string) > afterIndex + 1);
    for (const name of names) if (!needed.includes(name)) await this.options.disk.remove(this.path(name));
    const [oldest] = needed;
    if (oldest === undefined) return afterIndex + 1;
    let next = firstIndexOf(oldest);
    if (next > afterIndex + 1) throw new WalCorruptError(this.path(oldest), 0, `entries ${afterIndex + 1} to ${next - 1} before it are missing`);
    for (const [i, name] of needed.entries()) {
      if (firstIndexOf(name) !== next) throw new WalCorruptError(this.path(name), 0, `entry ${next} is missing`);
      next = await this.replaySegment({ name, next, last: i === needed.length - 1, afterIndex }, visit);
    }
    if (next <= afterIndex) throw new WalCorruptError(this.path(needed[needed.length - 1] as string), 0, `log ends at entry ${next - 1}, the snapshot at ${afterIndex}`);
    return next;
  }

  /** Returns the index after the last entry. */
  private async replaySegment(segment: { name: string; next: number; last: boolean; afterIndex: number }, visit: (record: WalRecord) => void): Promise<number> {
    const path = this.path(segment.name);
    const raw = await this.options.disk.read(path);
    const file = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    let { next } = segment;
    let at = 0;
    while (at < file.length) {
      const frame = readFrame(file, at);
      if (!frame) {
        // A crash may leave zeros behind any segment. If a frame was among them, the next one does not go on where this one ends.
        if (isBlank(file, at)) break;
        const later = findLaterFrame(file, at + 1, next);
        if (!segment.last || later !== undefined) throw new WalCorruptError(path, at, 'checksum mismatch before the end of the log');
        break;
      }
      if (frame.firstIndex !== next) throw new WalCorruptError(path, at, `expected entry ${next}, found ${frame.firstIndex}`);
      forEachRecord(file, at, frame, ({ index, kind, bytes }) => {
        if (index > segment.afterIndex) visit({ index, term: frame.term, kind, bytes });
      });
      next += frame.count;
      at = frame.end;
    }
    this.segments.push({ firstIndex: segment.next, size: at });
    if (segment.last) await this.reopen(path, at);
    return next;
  }

  private async reopen(path: string, size: number): Promise<void> {
    this.file = await this.options.disk.open(path, { create: false, journal: true });
    if (this.file.size > size) {
      await this.file.truncate(size);
      await this.file.sync();
    }
  }

  /** Creates the segment that begins with entry `index` and makes it the open one. */
  private async begin(index: number): Promise<void> {
    const { disk, dir } = this.options;
    const path = this.path(segmentName(index));
    const file = await disk.open(path, { create: true, journal: true });
    try {
      await disk.syncDir(dir);
    } catch (error) {
      await file.close();
      await disk.remove(path);
      throw error;
    }
    const before = this.file;
    this.file = file;
    this.segments.push({ firstIndex: index, size: 0 });
    await before?.close();
  }

  /**
   * Appends a frame and syncs it. Rejects with DiskFullError (nothing of it is on disk, later appends may succeed) or
   * WalBrokenError (neither is known; every later append fails).
   */
  async append(frame: Uint8Array, firstIndex: number): Promise<void> {
    if (this.broken) throw this.broken;
    try {
      if (this.open.size >= this.options.segmentBytes) await this.begin(firstIndex);
      await (this.file as DiskFile).append([frame]);
      await (this.file as DiskFile).sync();
    } catch (error) {
      throw await this.undo(error);
    }
    this.open.size += frame.length;
  }

  /** `append` while the whole process waits. Undefined: it is done; else it is under way as ever. */
  appendNow(frame: Uint8Array, firstIndex: number): Promise<void> | undefined {
    if (this.broken || this.open.size >= this.options.segmentBytes) return this.append(frame, firstIndex);
    try {
      if (!this.file?.appendNow?.(frame)) return this.append(frame, firstIndex);
    } catch (error) {
      return this.undo(error).then((failure) => Promise.reject(failure));
    }
    this.open.size += frame.length;
    return undefined;
  }

  /** The segment that is appended to. */
  private get open(): { firstIndex: number; size: number } {
    return this.segments[this.segments.length - 1] as { firstIndex: number; size: number };
  }

  /** Takes back whatever part of a failed frame got into the file, so that it cannot turn up after a restart. */
  private async undo(error: unknown): Promise<Error> {
    const { size } = this.open;
    try {
      await (this.file as DiskFile).truncate(size);
      await (this.file as DiskFile).sync();
    } catch (second) {
      return this.fail(second);
    }
    if (isDiskFull(error)) return new DiskFullError(error);
    // After a failed sync the kernel may have dropped data it once accepted: trust nothing.
    return this.fail(error);
  }

  private fail(cause: unknown): WalBrokenError {
    this.broken = new WalBrokenError(cause);
    this.onBroken?.();
    return this.broken;
  }

  /** Begins a new segment with entry `index`, so that all before can be dropped. Not while an append runs. */
  async cut(index: number): Promise<void> {
    if (this.open.firstIndex < index) await this.begin(index);
  }

  /** Removes segments whose entries are all at or before `index`. */
  async dropThrough(index: number): Promise<void> {
    while (this.segments.length > 1 && (this.segments[1] as { firstIndex: number }).firstIndex <= index + 1) {
      const { firstIndex } = this.segments[0] as { firstIndex: number };
      await this.options.disk.remove(this.path(segmentName(firstIndex)));
      this.segments.shift();
    }
  }

  get failed(): boolean {
    return this.broken !== undefined;
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, { size }) => sum + size, 0);
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }
}
