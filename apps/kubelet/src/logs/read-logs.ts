import type { LogSource } from '@orrery/cri';
import { parseLogLine, timeNs } from './cri-log.ts';

export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Only the last so many lines. */
  readonly tailLines: number | undefined;
  /** Only lines at or after this time, nanoseconds since the epoch. */
  readonly sinceNs: bigint | undefined;
  readonly limitBytes: number | undefined;
  /** Only what came by this stream; both when undefined. */
  readonly stream: 'stdout' | 'stderr' | undefined;
}

/** What a reader that follows waits for. */
export interface FollowContext {
  /** Whether more may come. */
  running(): boolean;
  /** Calls back when `running` may have changed. Returns what ends that. */
  onChange(changed: () => void): () => void;
  readonly signal: AbortSignal;
}

const blockBytes = 64 * 1024;
const lineFeed = 0x0a;

/** Offset where the last `lines` lines begin, looking backwards from the end. */
async function tailOffset(source: LogSource, path: string, lines: number): Promise<number> {
  const extent = await source.extent(path);
  if (!extent) return 0;
  if (lines <= 0) return extent.end;
  let found = -1;
  for (let end = extent.end; end > extent.start; end -= blockBytes) {
    const start = Math.max(extent.start, end - blockBytes);
    const block = await source.read(path, start, end - start);
    for (let i = block.length - 1; i >= 0; i--) {
      if (block[i] !== lineFeed) continue;
      found++;
      if (found === lines) return start + i + 1;
    }
  }
  return extent.start;
}

/** Splits bytes that arrive in blocks into lines. */
class LineSplitter {
  private rest: Buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): string[] {
    const all = this.rest.length ? Buffer.concat([this.rest, bytes]) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = all.lastIndexOf(lineFeed);
    this.rest = Buffer.from(all.subarray(end + 1));
    return end < 0 ? [] : all.toString('utf8', 0, end).split('\n');
  }
}

function rendered(line: string, options: LogOptions, state: { continued: boolean }): string | undefined {
  const parsed = parseLogLine(line);
  if (!parsed || (options.stream && parsed.stream !== options.stream)) return undefined;
  if (options.sinceNs !== undefined) {
    const at = timeNs(parsed.time);
    if (at === undefined || at < options.sinceNs) return undefined;
  }
  const prefix = options.timestamps && !state.continued ? `${parsed.time} ` : '';
  state.continued = parsed.partial;
  return `${prefix}${parsed.text}${parsed.partial ? '' : '\n'}`;
}

/** Waits for the log to grow or the container to end. */
function change(source: LogSource, path: string, context: FollowContext): { happened: Promise<void>; cancel(): void } {
  let wake: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => (wake = resolve));
  const stops = [source.watch(path, wake), context.onChange(wake)];
  context.signal.addEventListener('abort', wake, { once: true });
  return {
    happened,
    cancel: () => {
      for (const stop of stops) stop();
      context.signal.removeEventListener('abort', wake);
    },
  };
}

/**
 * The text of a container's log, block by block. With `follow` it goes on until the container has ended and everything
 * it wrote was read, or the signal aborts.
 */
export async function* readLogs(source: LogSource, path: string, options: LogOptions & { context: FollowContext }): AsyncGenerator<Buffer> {
  const { context } = options;
  const splitter = new LineSplitter();
  const state = { continued: false };
  let left = options.limitBytes ?? Infinity;
  const first = await source.extent(path);
  let file = first?.file;
  let offset = options.tailLines === undefined ? (first?.start ?? 0) : await tailOffset(source, path, options.tailLines);
  /** What is left of a log that was rotated since it was last read. */
  const past: { path: string; offset: number }[] = [];
  let moved = false;
  const block = async (): Promise<Uint8Array> => {
    for (let [old] = past; old; [old] = past) {
      const bytes = await source.read(old.path, old.offset, blockBytes);
      if (bytes.length) {
        old.offset += bytes.length;
        return bytes;
      }
      past.shift();
    }
    const bytes = await source.read(path, offset, blockBytes);
    // Another file may have taken the log's place since it was looked at: these bytes are not what follows then.
    moved = source.rotated !== undefined && bytes.length > 0 && (await source.extent(path))?.file !== file;
    if (moved) return new Uint8Array(0);
    offset += bytes.length;
    return bytes;
  };
  while (!context.signal.aborted) {
    const next = change(source, path, context);
    try {
      const wasRunning = context.running();
      const extent = await source.extent(path);
      if (extent?.file !== file) {
        const old = file === undefined ? undefined : await source.rotated?.(path);
        if (old !== undefined) past.push({ path: old, offset });
        file = extent?.file;
        offset = extent?.start ?? 0;
      }
      offset = extent && offset > extent.end ? extent.start : Math.max(offset, extent?.start ?? 0);
      for (let bytes = await block(); bytes.length; bytes = await block()) {
        const text = splitter.push(bytes).map((line) => rendered(line, options, state) ?? '').join('');
        if (!text) continue;
        const out = Buffer.from(text);
        yield left < out.length ? out.subarray(0, left) : out;
        left -= out.length;
        if (left <= 0 || context.signal.aborted) return;
      }
      if (moved) continue;
      if (!options.follow || !wasRunning) return;
      await next.happened;
    } finally {
      next.cancel();
    }
  }
}
