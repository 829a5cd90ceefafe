import type { Socket } from 'node:net';
import type { ByteTransport } from '@orrery/rpc';

/** More than this is not gathered before it leaves. */
const gatherBytes = 64 * 1024;
/** Pieces that are smaller on average are copied together, larger ones handed over as they are. */
const copiedBytes = 4096;
/** A peer that vanished is found out by the kernel after this long and a few probes. */
const tcpKeepAliveMs = 15_000;

/** What one turn of the event loop has to say leaves in one write. */
export function transportOf(socket: Socket): ByteTransport {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const waiters: (() => void)[] = [];
  const wake = (): void => {
    for (const waiter of waiters.splice(0)) waiter();
  };
  socket.on('drain', wake);
  socket.on('close', wake);
  const flush = (): void => {
    const [all, total] = [parts, bytes];
    parts = [];
    bytes = 0;
    if (socket.destroyed) return;
    if (all.length === 1) return void socket.write(all[0] as Uint8Array);
    if (total < all.length * copiedBytes) return void socket.write(Buffer.concat(all, total));
    socket.cork();
    for (const part of all) socket.write(part);
    socket.uncork();
  };
  return {
    write(part: Uint8Array): void {
      // After the work of this turn that is already due: answers of one group commit come in one go.
      if (parts.length === 0) process.nextTick(() => parts.length && flush());
      parts.push(part);
      bytes += part.length;
      if (bytes >= gatherBytes) flush();
    },
    get backlog(): number {
      return bytes + socket.writableLength;
    },
    drained: () => (socket.destroyed || !socket.writableNeedDrain ? Promise.resolve() : new Promise<void>((resolve) => waiters.push(resolve))),
    end(): void {
      if (parts.length) flush();
      socket.end();
      // Whoever does not close in turn is not waited for.
      socket.resume();
      socket.setTimeout(1000, () => socket.destroy());
    },
  };
}

/** What every connection of gRPC wants of its socket. */
export function prepareSocket(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, tcpKeepAliveMs);
}
