/**
 * An open file description as a process holds it: shared between descriptors and processes, counted, and closed when
 * the last holder lets go. One kind covers pipes, terminals, files, devices and sockets.
 */
export interface OpenFile {
  /**
   * The next bytes, at most `max`; undefined at the end. Rejects with the signal's reason when it aborts, and then no
   * bytes are lost.
   */
  read(max: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Resolves when accepted. Rejects with BrokenPipe when nobody will ever read. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Goes on from there; `cut` takes from a regular file what lies behind. False: this has no places, as pipes have none. */
  seek(at: number, cut: boolean): boolean;
  retain(): OpenFile;
  release(): void;
  readonly isTty: boolean;
  /** What `ls -l /proc/self/fd` shows. */
  readonly description: string;
}

/** A write to a pipe without readers; a program that does not handle it ends with 141 (SIGPIPE). */
export class BrokenPipe extends Error {
  readonly code = 'EPIPE';

  constructor() {
    super('Broken pipe');
    this.name = 'BrokenPipe';
  }
}

export interface FileOps {
  read?(max: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  write?(bytes: Uint8Array, signal?: AbortSignal): Promise<void> | void;
  seek?(at: number, cut: boolean): void;
  close?(): void;
  readonly isTty?: boolean;
  readonly description?: string;
}

class BadDescriptor extends Error {
  readonly code = 'EBADF';
}

/** A class, as every container has several of them. */
class CountedFile implements OpenFile {
  private readonly ops: FileOps;
  private holders = 1;

  constructor(ops: FileOps) {
    this.ops = ops;
  }

  get isTty(): boolean {
    return this.ops.isTty ?? false;
  }

  get description(): string {
    return this.ops.description ?? 'anon_inode';
  }

  async read(max: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (!this.ops.read) throw new BadDescriptor('Bad file descriptor');
    return this.ops.read(max, signal);
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (!this.ops.write) throw new BadDescriptor('Bad file descriptor');
    await this.ops.write(bytes, signal);
  }

  seek(at: number, cut: boolean): boolean {
    this.ops.seek?.(at, cut);
    return this.ops.seek !== undefined;
  }

  retain(): OpenFile {
    this.holders++;
    return this;
  }

  release(): void {
    if (--this.holders === 0) this.ops.close?.();
  }
}

/** Wraps operations into a counted description. */
export function openFile(ops: FileOps): OpenFile {
  return new CountedFile(ops);
}

const nothing = openFile({ read: () => Promise.resolve(undefined), write: () => undefined, description: '/dev/null' });

/** Reads as empty, swallows what is written. It has no state, so all share one. */
export function nullFile(): OpenFile {
  return nothing;
}

/** Collects what is written, for tests and command substitution. */
export function collector(limitBytes = Number.POSITIVE_INFINITY): { file: OpenFile; bytes(): Buffer; text(): string } {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const file = openFile({
    write(bytes) {
      const room = limitBytes - size;
      if (room <= 0) return;
      const kept = bytes.length > room ? bytes.subarray(0, room) : bytes;
      chunks.push(kept);
      size += kept.length;
    },
    description: 'pipe:[0]',
  });
  const bytes = (): Buffer => Buffer.concat(chunks);
  return { file, bytes, text: () => bytes().toString() };
}

/** Hands out fixed bytes, then the end. */
export function bytesFile(bytes: Uint8Array): OpenFile {
  let at = 0;
  return openFile({
    async read(max) {
      if (at >= bytes.length) return undefined;
      const chunk = bytes.subarray(at, at + max);
      at += chunk.length;
      return chunk;
    },
  });
}
