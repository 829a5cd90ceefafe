import type { ByteSink } from './http-server.ts';

interface Writable {
  write(bytes: Uint8Array): boolean;
  end(): unknown;
  once(event: string, fn: () => void): unknown;
  off(event: string, fn: () => void): unknown;
  readonly destroyed?: boolean;
}

/** What can be written to, as a sink; whoever writes after it was closed writes into the void. */
export function sinkOf(writable: Writable): ByteSink {
  let closed = false;
  writable.once('close', () => (closed = true));
  const isClosed = (): boolean => closed || writable.destroyed === true;
  return {
    write: (bytes) => (isClosed() ? true : writable.write(bytes)),
    drained: () =>
      new Promise((resolve) => {
        if (isClosed()) return resolve();
        const done = (): void => {
          writable.off('drain', done);
          writable.off('close', done);
          resolve();
        };
        writable.once('drain', done);
        writable.once('close', done);
      }),
    end: () => {
      if (!isClosed()) writable.end();
    },
    get closed() {
      return isClosed();
    },
  };
}
