/** The receiving half of a stream. */
export interface ByteReader {
  /** The next bytes, never empty, or undefined at the end. One reader at a time. Rejects when the stream broke. */
  read(): Promise<Uint8Array | undefined>;
}

/** The sending half of a stream. */
export interface ByteWriter {
  /** Resolves when the bytes are accepted; a slow peer holds it back. Rejects once the peer is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our half; the other end reads to its end and may still write. */
  closeWrite(): Promise<void>;
}

/** A connection with half-close. A `Conn` of @orrery/vnet is one; so is every upgraded connection. */
export interface ByteStream extends ByteReader, ByteWriter {
  /** Ends both halves at once. */
  close(error?: Error): void;
}

/** What an HTTP server hands over after an upgrade (`RawSocket` of @orrery/node-io is one). */
export interface RawSocketLike {
  /** False: wait for `drained()` before writing more. */
  write(bytes: Uint8Array): boolean;
  drained(): Promise<void>;
  end(): void;
  readonly closed: boolean;
  readonly readable: AsyncIterable<Uint8Array>;
  /** Drops the connection; after `end()`, once what was written has been sent. */
  destroy(): void;
}

/** The stream over an upgraded connection of an HTTP server. */
export function streamOfSocket(socket: RawSocketLike): ByteStream {
  let source: AsyncIterator<Uint8Array> | undefined;
  return {
    async read() {
      source ??= socket.readable[Symbol.asyncIterator]();
      for (;;) {
        const next = await source.next();
        if (next.done) return undefined;
        if (next.value.length) return next.value;
      }
    },
    async write(bytes) {
      if (socket.closed) throw new Error('connection closed');
      if (!socket.write(bytes)) await socket.drained();
    },
    async closeWrite() {
      if (!socket.closed) socket.end();
    },
    close() {
      socket.destroy();
    },
  };
}

/** The same stream with `head` to be read first: bytes that were read too far. */
export function unread(stream: ByteStream, head: Uint8Array): ByteStream {
  let pending: Uint8Array | undefined = head.length ? head : undefined;
  return {
    read() {
      const first = pending;
      pending = undefined;
      return first ? Promise.resolve(first) : stream.read();
    },
    write: (bytes) => stream.write(bytes),
    closeWrite: () => stream.closeWrite(),
    close: (error) => stream.close(error),
  };
}

/** Copies until the end of `from`, then ends `to`. */
export async function pipe(from: ByteReader, to: ByteWriter): Promise<void> {
  for (let bytes = await from.read(); bytes; bytes = await from.read()) await to.write(bytes);
  await to.closeWrite();
}

/**
 * Joins two connections byte by byte, half-closes included, until both directions ended; a failure of one direction
 * ends both. Resolves when both are closed; never rejects, because either end may go at any time.
 */
export async function splice(a: ByteStream, b: ByteStream): Promise<void> {
  const oneWay = async (from: ByteStream, to: ByteStream): Promise<void> => {
    try {
      await pipe(from, to);
    } catch (error) {
      from.close(error as Error);
      to.close(error as Error);
    }
  };
  await Promise.all([oneWay(a, b), oneWay(b, a)]);
  a.close();
  b.close();
}

/** One direction: bytes pushed by one side, read by the other; writers wait while more than `highWater` bytes lie unread. */
export class ByteQueue implements ByteReader {
  private chunks: Uint8Array[] = [];
  private size = 0;
  private ended = false;
  private failure: Error | undefined;
  private wakeReader: (() => void) | undefined;
  private wakeWriters: (() => void)[] = [];
  private readonly highWater: number;

  constructor(highWater = 256 * 1024) {
    this.highWater = highWater;
  }

  /** Queues bytes; resolves at once while there is room. After the end they are dropped. */
  push(bytes: Uint8Array): Promise<void> {
    if (this.ended || bytes.length === 0) return Promise.resolve();
    this.chunks.push(bytes);
    this.size += bytes.length;
    this.wakeReader?.();
    if (this.size <= this.highWater) return Promise.resolve();
    return new Promise((resolve) => this.wakeWriters.push(resolve));
  }

  /** The reader gets what is queued, then the end, or the error at once. */
  end(error?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = error;
    if (error) this.chunks = [];
    this.release();
    this.wakeReader?.();
  }

  get closed(): boolean {
    return this.ended;
  }

  async read(): Promise<Uint8Array | undefined> {
    while (!this.chunks.length) {
      if (this.failure) throw this.failure;
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
      this.wakeReader = undefined;
    }
    const chunk = this.chunks.shift() as Uint8Array;
    this.size -= chunk.length;
    if (this.size <= this.highWater) this.release();
    return chunk;
  }

  private release(): void {
    for (const wake of this.wakeWriters.splice(0)) wake();
  }
}

/** Two ends of an in-memory connection. */
export function streamPair(): [ByteStream, ByteStream] {
  const ab = new ByteQueue();
  const ba = new ByteQueue();
  const end = (incoming: ByteQueue, outgoing: ByteQueue): ByteStream => ({
    read: () => incoming.read(),
    async write(bytes) {
      if (outgoing.closed) throw new Error('connection closed');
      await outgoing.push(bytes);
    },
    async closeWrite() {
      outgoing.end();
    },
    close(error) {
      outgoing.end(error);
      incoming.end();
    },
  });
  return [end(ba, ab), end(ab, ba)];
}
