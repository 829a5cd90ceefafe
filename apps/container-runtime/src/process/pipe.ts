import { BrokenPipe, type OpenFile, openFile } from './open-file.ts';

const capacityBytes = 64 * 1024;

/** A waiting reader or writer: woken when the state changed, or rejected by its signal. */
export class WaitList {
  private waiting: (() => void)[] = [];

  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.waiting = this.waiting.filter((other) => other !== wake);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(wake);
    });
  }

  wakeAll(): void {
    const waiting = this.waiting;
    if (!waiting.length) return;
    this.waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A byte queue that readers may take from in any portion. */
export class ByteQueue {
  private chunks: Uint8Array[] = [];
  size = 0;

  push(bytes: Uint8Array): void {
    if (!bytes.length) return;
    this.chunks.push(bytes);
    this.size += bytes.length;
  }

  take(max: number): Uint8Array | undefined {
    const first = this.chunks[0];
    if (!first) return undefined;
    if (first.length <= max) this.chunks.shift();
    else this.chunks[0] = first.subarray(max);
    const taken = first.length <= max ? first : first.subarray(0, max);
    this.size -= taken.length;
    return taken;
  }
}

/** As pipe(2): 64 KiB, end of file when the last writer closes, BrokenPipe when the last reader did. */
export function createPipe(): { reader: OpenFile; writer: OpenFile } {
  const queue = new ByteQueue();
  const readable = new WaitList();
  const writable = new WaitList();
  let readers = true;
  let writers = true;
  const reader = openFile({
    description: 'pipe:[1]',
    async read(max, signal) {
      for (;;) {
        const bytes = queue.take(max);
        if (bytes) {
          writable.wakeAll();
          return bytes;
        }
        if (!writers) return undefined;
        await readable.wait(signal);
      }
    },
    close() {
      readers = false;
      writable.wakeAll();
    },
  });
  const writer = openFile({
    description: 'pipe:[1]',
    async write(bytes, signal) {
      while (readers && queue.size >= capacityBytes) await writable.wait(signal);
      if (!readers) throw new BrokenPipe();
      queue.push(bytes);
      readable.wakeAll();
    },
    close() {
      writers = false;
      readable.wakeAll();
    },
  });
  return { reader, writer };
}
