import type { Clock } from '@orrery/runtime';
import type { Conn } from '@orrery/vnet';

/** Bytes a balancer may pass a second. */
export interface Meter {
  /** Resolves when so many bytes may go. */
  take(bytes: number): Promise<void>;
}

/** So far a sender may be ahead of its rate. */
const burstMs = 100;

/** `mbps`: megabits a second, asked for every time; 0 lets all pass. */
export function createMeter(clock: Clock, mbps: () => number): Meter {
  /** When all that was let through so far is paid for. */
  let paidMs = 0;
  return {
    async take(bytes) {
      const rate = mbps();
      if (!rate) return;
      const now = clock.monotonic();
      paidMs = Math.max(paidMs, now) + (bytes * 8) / (rate * 1000);
      const aheadMs = paidMs - now - burstMs;
      if (aheadMs > 0) await clock.sleep(aheadMs);
    },
  };
}

/** A connection whose two directions are metered apart, and whose end is told once. */
export function meteredConn(conn: Conn, meters: { readonly read: Meter; readonly write: Meter }, ended: () => void): Conn {
  let open = true;
  return {
    local: conn.local,
    remote: conn.remote,
    async read() {
      const bytes = await conn.read();
      if (bytes) await meters.read.take(bytes.byteLength);
      return bytes;
    },
    async write(bytes) {
      await meters.write.take(bytes.byteLength);
      return conn.write(bytes);
    },
    closeWrite: () => conn.closeWrite(),
    close(error) {
      if (open) ended();
      open = false;
      conn.close(error);
    },
  };
}
