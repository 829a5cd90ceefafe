import type { VolumeHost } from '@orrery/cri';
import type { DeviceHealth as DeviceReport } from '@orrery/proto/drahealth';
import type { Env } from '@orrery/runtime';

/** When a driver does not say how long its word counts. */
const defaultTimeoutMs = 30_000;
/** As upstream's; what is longer ends in dots. */
const longestMessage = 1024;
/** How far the file may be behind drivers that go on saying the same. */
const behindMs = 10_000;

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

/** As the file has it: when it was said by the clock on the wall, since the next kubelet counts from another beginning. */
interface Kept extends Health {
  readonly saidMs: number;
  readonly timeoutMs: number;
}

export interface DeviceHealthOptions {
  readonly files: VolumeHost;
  /** Where it is kept for the next kubelet. */
  readonly path: string;
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

/** What drivers say of their devices, for as long as it counts; also to the next kubelet, whom they have yet to tell. */
export class DeviceHealth {
  private readonly env: Env;
  private readonly options: DeviceHealthOptions;
  /** By driver, then by pool and device. */
  private readonly drivers = new Map<string, Map<string, Known>>();
  private savedMs = Number.NEGATIVE_INFINITY;
  private waits = false;
  private saving: Promise<void> = Promise.resolve();

  constructor(env: Env, options: DeviceHealthOptions) {
    this.env = env;
    this.options = options;
  }

  /** Recalls what an earlier kubelet was told. A file that cannot be read is as none: drivers tell it again. */
  async load(): Promise<void> {
    const { clock, log } = this.env;
    try {
      const bytes = await this.options.files.readFile(this.options.path);
      const kept = bytes ? (JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, Record<string, Kept>>) : {};
      for (const [driver, devices] of Object.entries(kept)) {
        const known = Object.entries(devices).map(([key, { saidMs, timeoutMs, ...health }]): [string, Known] => {
          // A clock that was set back makes nothing count for longer.
          const ageMs = Math.max(0, clock.now() - saidMs);
          return [key, { ...health, timeoutMs, untilMs: clock.monotonic() + timeoutMs - ageMs }];
        });
        this.drivers.set(driver, new Map(known));
      }
    } catch (error) {
      log.warn('what drivers said of their devices cannot be read, and counts as unknown', { path: this.options.path, error: (error as Error).message });
    }
  }

  /** Resolves when all is written. */
  async stop(): Promise<void> {
    await this.saving;
  }

  of({ driver, pool, device }: DeviceKey): Health {
    const known = this.drivers.get(driver)?.get(`${pool}/${device}`);
    if (!known || this.env.clock.monotonic() > known.untilMs) return unknown;
    return { health: known.health, ...(known.message ? { message: known.message } : {}) };
  }

  /** Takes a driver's word; true when it is another than before, or had run out. */
  update(driver: string, reports: readonly DeviceReport[]): boolean {
    const devices = this.drivers.get(driver) ?? new Map<string, Known>();
    this.drivers.set(driver, devices);
    const nowMs = this.env.clock.monotonic();
    let changed = false;
    for (const { device, health = 0, healthCheckTimeoutSeconds = 0, message = '' } of reports) {
      const key = `${device?.poolName ?? ''}/${device?.deviceName ?? ''}`;
      const timeoutMs = healthCheckTimeoutSeconds > 0 ? healthCheckTimeoutSeconds * 1000 : defaultTimeoutMs;
      const now: Known = { health: states[health] ?? 'Unknown', message: shortened(message), timeoutMs, untilMs: nowMs + timeoutMs };
      const before = devices.get(key);
      changed ||= !before || before.health !== now.health || before.message !== now.message || nowMs > before.untilMs;
      devices.set(key, now);
    }
    if (changed || nowMs - this.savedMs >= behindMs) this.save();
    return changed;
  }

  /** Nobody watches a driver's devices any more. */
  clear(driver: string): void {
    if (this.drivers.delete(driver)) this.save();
  }

  private save(): void {
    // What waits to be written takes this with it.
    if (this.waits) return;
    this.waits = true;
    this.saving = this.saving.then(async () => {
      this.waits = false;
      this.savedMs = this.env.clock.monotonic();
      await this.options.files.writeCheckpoint(this.options.path, JSON.stringify(this.kept()));
    }).catch((error: unknown) => this.env.log.warn('what drivers say of their devices is not kept for the next kubelet', { path: this.options.path, error: (error as Error).message }));
  }

  private kept(): Record<string, Record<string, Kept>> {
    const { clock } = this.env;
    const ofDevice = ({ untilMs, timeoutMs, ...health }: Known): Kept => ({ ...health, timeoutMs, saidMs: clock.now() - (clock.monotonic() - (untilMs - timeoutMs)) });
    return Object.fromEntries([...this.drivers].map(([driver, devices]) => [driver, Object.fromEntries([...devices].map(([key, known]) => [key, ofDevice(known)]))]));
  }
}
