import type { Clock } from '@orrery/runtime';

/** Leases are handed out for 1,000 keys or a twentieth of their life, whichever ends first, as upstream does. */
export function leasePool(grant: (ttl: number) => Promise<string>, clock: Clock): (ttlSeconds: number) => Promise<string> {
  const open = new Map<number, { id: Promise<string>; until: number; left: number }>();
  return (ttlSeconds) => {
    const current = open.get(ttlSeconds);
    if (current && current.left > 0 && clock.monotonic() < current.until) {
      current.left -= 1;
      return current.id;
    }
    const spare = Math.ceil(ttlSeconds / 20);
    const id = grant(ttlSeconds + spare);
    open.set(ttlSeconds, { id, until: clock.monotonic() + spare * 1000, left: 999 });
    id.catch(() => open.delete(ttlSeconds));
    return id;
  };
}
