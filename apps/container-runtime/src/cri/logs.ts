import type { Clock } from '@orrery/runtime';
import { type FileOps, type OpenFile, openFile } from '../process/open-file.ts';

/** Where container logs go. `MemoryLogs` of libs/cri is one; main.ts has one over real files. */
export interface LogSink {
  /** Makes the log of a container readable while it is still empty. */
  create(path: string, container: string): void;
  /** Appends whole CRI lines. */
  append(path: string, lines: string | Uint8Array): void;
  /** The file was moved away: open it again. */
  reopen?(path: string): void;
  /** Logs that are no files of the node: those there are, and what of them is kept. They are shown as files. */
  held?(): Iterable<{ readonly path: string; readonly container: string }>;
  extentNow?(path: string): { readonly start: number; readonly end: number } | undefined;
  readNow?(path: string, offset: number, length: number): Uint8Array;
}

type StreamName = 'stdout' | 'stderr';
type Subscriber = (stream: StreamName, bytes: Uint8Array) => Promise<void> | void;

/** As containerd: longer lines are cut into parts. */
const maxLineBytes = 16 * 1024;

/** One of a container's two output streams. */
class LoggedStream implements FileOps {
  private readonly output: ContainerOutput;
  private readonly stream: StreamName;
  readonly description = 'pipe:[1]';

  constructor(output: ContainerOutput, stream: StreamName) {
    this.output = output;
    this.stream = stream;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.output.write(this.stream, bytes);
  }
}

/** A container's output: to its log in the CRI format, and to whoever is attached. */
export class ContainerOutput {
  private readonly clock: Clock;
  private readonly sink: LogSink | undefined;
  private readonly path: string;
  private partial: { stdout?: Buffer; stderr?: Buffer } = {};
  private subscribers: Set<Subscriber> | undefined;
  private lastNs = 0n;
  bytesWritten = 0;

  constructor(options: { clock: Clock; sink: LogSink | undefined; path: string; container: string }) {
    this.clock = options.clock;
    this.sink = options.path ? options.sink : undefined;
    this.path = options.path;
    this.sink?.create(this.path, options.container);
  }

  /** A descriptor for the container's processes. */
  file(stream: StreamName): OpenFile {
    return openFile(new LoggedStream(this, stream));
  }

  async write(stream: StreamName, bytes: Uint8Array): Promise<void> {
    if (!bytes.length) return;
    this.bytesWritten += bytes.length;
    this.log(stream, bytes);
    for (const subscriber of this.subscribers ?? []) await subscriber(stream, bytes);
  }

  subscribe(subscriber: Subscriber): () => void {
    (this.subscribers ??= new Set()).add(subscriber);
    return () => void this.subscribers?.delete(subscriber);
  }

  /** The container ended: what had no newline yet is written as a line that never ended, as containerd does. */
  flush(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.partial[stream];
      if (rest?.length) this.sink?.append(this.path, this.line(stream, rest, 'P'));
    }
    this.partial = {};
  }

  reopen(): void {
    this.sink?.reopen?.(this.path);
  }

  private line(stream: StreamName, text: Uint8Array, tag: 'F' | 'P'): Buffer {
    const now = BigInt(Math.floor(this.clock.now())) * 1_000_000n;
    this.lastNs = now > this.lastNs ? now : this.lastNs + 1n;
    const seconds = new Date(Number(this.lastNs / 1_000_000n)).toISOString().slice(0, 19);
    const head = `${seconds}.${(this.lastNs % 1_000_000_000n).toString().padStart(9, '0')}Z ${stream} ${tag} `;
    return Buffer.concat([Buffer.from(head), text, Buffer.from('\n')]);
  }

  private log(stream: StreamName, bytes: Uint8Array): void {
    if (!this.sink) return;
    const before = this.partial[stream];
    let rest = before?.length ? Buffer.concat([before, bytes]) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const lines: Buffer[] = [];
    for (;;) {
      const end = rest.indexOf(10);
      if (end >= 0 && end <= maxLineBytes) {
        lines.push(this.line(stream, rest.subarray(0, end), 'F'));
        rest = rest.subarray(end + 1);
      } else if (rest.length > maxLineBytes) {
        lines.push(this.line(stream, rest.subarray(0, maxLineBytes), 'P'));
        rest = rest.subarray(maxLineBytes);
      } else break;
    }
    if (rest.length) this.partial[stream] = Buffer.from(rest);
    else delete this.partial[stream];
    if (lines.length) this.sink.append(this.path, lines.length === 1 ? (lines[0] as Buffer) : Buffer.concat(lines));
  }
}
