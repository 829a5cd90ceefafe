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
  close?(): void;
  readonly isTty?: boolean;
  readonly description?: string;
}

class BadDescriptor extends Error {
  readonly code = 'EBADF';
}

/** Wraps operations into a counted description. */
export function openFile(ops: FileOps): OpenFile {
  let holders = 1;
  const file: OpenFile = {
    isTty: ops.isTty ?? false,
    description: ops.description ?? 'anon_inode',
    async read(max, signal) {
      if (!ops.read) throw new BadDescriptor('Bad file descriptor');
      return ops.read(max, signal);
    },
    async write(bytes, signal) {
      if (!ops.write) throw new BadDescriptor('Bad file descriptor');
      await ops.write(bytes, signal);
    },
    retain() {
      holders++;
      return file;
    },
    release() {
      if (--holders === 0) ops.close?.();
    },
  };
  return file;
}

/** Reads as empty, swallows what is written. */
export function nullFile(): OpenFile {
  return openFile({ read: () => Promise.resolve(undefined), write: () => undefined, description: '/dev/null' });
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
