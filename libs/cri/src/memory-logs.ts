import type { LogSource } from './log-source.ts';

interface MemoryLog {
  chunks: Uint8Array[];
  /** Where each chunk starts. */
  starts: number[];
  length: number;
  readonly container: string;
}

const encoder = new TextEncoder();

/**
 * Logs in memory. A log that exceeds `maxBytes` loses its oldest half (offsets go on counting from the first byte
 * ever written, so readers that follow do not notice).
 */
export class MemoryLogs implements LogSource {
  private readonly logs = new Map<string, MemoryLog>();
  private readonly watchers = new Map<string, Set<() => void>>();
  private readonly maxBytes: number;

  constructor(options: { maxBytes?: number } = {}) {
    this.maxBytes = options.maxBytes ?? 10 * 1024 * 1024;
  }

  /** Creates the log if it is not there, so that it can be read while it is empty. `container`: whose it is. */
  create(path: string, container = ''): void {
    if (!this.logs.has(path)) this.logs.set(path, { chunks: [], starts: [], length: 0, container });
  }

  /** All logs by path, with the ids of their containers. */
  *held(): Generator<{ readonly path: string; readonly container: string }> {
    for (const [path, { container }] of this.logs) yield { path, container };
  }

  /** As `extent`, at once. */
  extentNow(path: string): { start: number; end: number } | undefined {
    const log = this.logs.get(path);
    return log && { start: log.starts[0] ?? 0, end: log.length };
  }

  /** Appends whole CRI lines (see `criLogLine`). */
  append(path: string, lines: string | Uint8Array): void {
    this.create(path);
    const log = this.logs.get(path) as MemoryLog;
    const bytes = typeof lines === 'string' ? encoder.encode(lines) : lines;
    log.chunks.push(bytes);
    log.starts.push(log.length);
    log.length += bytes.length;
    if (log.length - (log.starts[0] ?? 0) > this.maxBytes) this.trim(log);
    this.notify(path);
  }

  async extent(path: string): Promise<{ start: number; end: number } | undefined> {
    return this.extentNow(path);
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.readNow(path, offset, length);
  }

  /** As `read`, at once. */
  readNow(path: string, offset: number, length: number): Uint8Array {
    const log = this.logs.get(path);
    if (!log) return new Uint8Array(0);
    const start = Math.max(offset, log.starts[0] ?? 0);
    const end = Math.min(log.length, start + length);
    if (end <= start) return new Uint8Array(0);
    const out = new Uint8Array(end - start);
    for (let i = chunkAt(log.starts, start); i < log.chunks.length; i++) {
      const chunkStart = log.starts[i] as number;
      if (chunkStart >= end) break;
      const chunk = log.chunks[i] as Uint8Array;
      const from = Math.max(0, start - chunkStart);
      out.set(chunk.subarray(from, Math.min(chunk.length, end - chunkStart)), chunkStart + from - start);
    }
    return out;
  }

  watch(path: string, changed: () => void): () => void {
    let set = this.watchers.get(path);
    if (!set) this.watchers.set(path, (set = new Set()));
    set.add(changed);
    return () => {
      set.delete(changed);
      if (set.size === 0 && this.watchers.get(path) === set) this.watchers.delete(path);
    };
  }

  async list(path: string): Promise<string[]> {
    const prefix = path.endsWith('/') ? path : `${path}/`;
    const names = new Set<string>();
    for (const key of this.logs.keys()) if (key.startsWith(prefix)) names.add(key.slice(prefix.length).split('/')[0] ?? '');
    return [...names];
  }

  async remove(path: string): Promise<void> {
    const below = `${path}/`;
    for (const key of this.logs.keys()) {
      if (key !== path && !key.startsWith(below)) continue;
      this.logs.delete(key);
      this.notify(key);
    }
  }

  private trim(log: MemoryLog): void {
    const keepFrom = chunkAt(log.starts, log.length - this.maxBytes / 2);
    log.chunks = log.chunks.slice(keepFrom);
    log.starts = log.starts.slice(keepFrom);
  }

  private notify(path: string): void {
    const set = this.watchers.get(path);
    if (set) for (const changed of [...set]) changed();
  }
}

/** Index of the chunk that holds `offset`. */
function chunkAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if ((starts[mid] as number) <= offset) low = mid;
    else high = mid - 1;
  }
  return Math.max(0, low);
}
