import type { DeviceHealth as DeviceReport } from '@orrery/proto/drahealth';
import type { Clock } from '@orrery/runtime';

/** When a driver does not say how long its word counts. */
const defaultTimeoutMs = 30_000;
/** As upstream's; what is longer ends in dots. */
const longestMessage = 1024;

/** As the API has it in `allocatedResourcesStatus`; the message only when there is one. */
export interface Health {
  readonly health: 'Healthy' | 'Unhealthy' | 'Unknown';
  readonly message?: string;
}

interface Known extends Health {
  /** Monotonic: from then on nobody knows. */
  readonly untilMs: number;
  readonly timeoutMs: number;
}

export interface DeviceKey {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
}

/** By the numbers of the protocol. */
const states = ['Unknown', 'Healthy', 'Unhealthy'] as const;
const unknown: Health = { health: 'Unknown' };

const shortened = (message: string): string => (message.length > longestMessage ? `${message.slice(0, longestMessage - 3)}...` : message);

/** What drivers say of their devices, for as long as it counts. */
export class DeviceHealth {
  private readonly clock: Clock;
  /** By driver, then by pool and device. */
  private readonly drivers = new Map<string, Map<string, Known>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  of({ driver, pool, device }: DeviceKey): Health {
    const known = this.drivers.get(driver)?.get(`${pool}/${device}`);
    if (!known || this.clock.monotonic() > known.untilMs) return unknown;
    return { health: known.health, ...(known.message ? { message: known.message } : {}) };
  }

  /** Takes a driver's word; true when it is another than before, or had run out. */
  update(driver: string, reports: readonly DeviceReport[]): boolean {
    const devices = this.drivers.get(driver) ?? new Map<string, Known>();
    this.drivers.set(driver, devices);
    const nowMs = this.clock.monotonic();
    let changed = false;
    for (const { device, health = 0, healthCheckTimeoutSeconds = 0, message = '' } of reports) {
      const key = `${device?.poolName ?? ''}/${device?.deviceName ?? ''}`;
      const timeoutMs = healthCheckTimeoutSeconds > 0 ? healthCheckTimeoutSeconds * 1000 : defaultTimeoutMs;
      const now: Known = { health: states[health] ?? 'Unknown', message: shortened(message), timeoutMs, untilMs: nowMs + timeoutMs };
      const before = devices.get(key);
      changed ||= !before || before.health !== now.health || before.message !== now.message || nowMs > before.untilMs;
      devices.set(key, now);
    }
    return changed;
  }

  /** Nobody watches a driver's devices any more. */
  clear(driver: string): void {
    this.drivers.delete(driver);
  }
}
