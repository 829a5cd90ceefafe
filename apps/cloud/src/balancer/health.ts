import type { HealthCheck, Target } from '@orrery/proto/cloud';
import type { Env, Timer } from '@orrery/runtime';
import { type Conn, type Endpoint, formatEndpoint } from '@orrery/vnet';
import { targetKey } from './scheduler.ts';

/** Watches over the targets of one listener. */
export interface HealthChecks {
  /** What to check from now on; no check: all are taken for healthy. */
  update(check: HealthCheck | undefined, targets: readonly Target[]): void;
  healthy(target: Target): boolean;
  close(): void;
}

interface Watched {
  readonly at: Endpoint;
  healthy: boolean;
  /** Results in a row that speak against the verdict. */
  against: number;
  timer: Timer | undefined;
  gone: boolean;
}

interface Settings {
  readonly check: HealthCheck;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export type Dial = (to: Endpoint) => Promise<Conn>;

function within<T>(env: Env, work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = env.clock.after(ms, () => reject(new Error(`no answer in ${ms} ms`)));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** The status of the answer to a GET. */
async function getStatus(conn: Conn, { path = '', host = '' }: HealthCheck, to: Endpoint): Promise<number> {
  await conn.write(new TextEncoder().encode(`GET ${path || '/'} HTTP/1.1\r\nHost: ${host || formatEndpoint(to)}\r\nUser-Agent: orrery-load-balancer\r\nConnection: close\r\n\r\n`));
  let text = '';
  while (!text.includes('\r\n')) {
    const bytes = await conn.read();
    if (!bytes) break;
    text += new TextDecoder().decode(bytes);
  }
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
}

async function probe(env: Env, dial: Dial, at: Endpoint, { check, timeoutMs }: Settings): Promise<boolean> {
  let conn: Conn | undefined;
  let late = false;
  try {
    const dialled = dial(at).then((made) => {
      // Nobody waits for it any more.
      if (late) made.close();
      return made;
    });
    conn = await within(env, dialled, timeoutMs);
    if (check.type !== 'HTTP') return true;
    const status = await within(env, getStatus(conn, check, at), timeoutMs);
    return status >= 200 && status < 400;
  } catch {
    late = true;
    return false;
  } finally {
    conn?.close();
  }
}

/** New targets are healthy until they fail: a balancer works from its first moment. */
export function createHealthChecks(env: Env, dial: Dial): HealthChecks {
  const watched = new Map<string, Watched>();
  let settings: Settings | undefined;
  let shape = '';
  const forget = (key: string, one: Watched): void => {
    one.gone = true;
    one.timer?.cancel();
    watched.delete(key);
  };
  const look = async (one: Watched): Promise<void> => {
    const current = settings;
    if (one.gone || !current) return;
    const { healthyThreshold = 0, unhealthyThreshold = 0 } = current.check;
    const fine = await probe(env, dial, one.at, current);
    if (one.gone) return;
    one.against = fine === one.healthy ? 0 : one.against + 1;
    if (one.against >= ((one.healthy ? unhealthyThreshold : healthyThreshold) || 3)) {
      one.healthy = fine;
      one.against = 0;
    }
    one.timer = env.clock.after(current.intervalMs, () => void look(one));
  };
  return {
    update(check, targets) {
      const next = JSON.stringify(check ?? null);
      // Another kind of check begins anew.
      if (next !== shape) for (const [key, one] of [...watched]) forget(key, one);
      shape = next;
      settings = check && { check, intervalMs: check.intervalMs || 2000, timeoutMs: check.timeoutMs || 5000 };
      const wanted = new Map(check ? targets.map((target) => [targetKey(target), target]) : []);
      for (const [key, one] of [...watched]) if (!wanted.has(key)) forget(key, one);
      for (const [key, { address = '', port = 0 }] of wanted) {
        if (watched.has(key)) continue;
        const one: Watched = { at: { ip: address, port: check?.port || port }, healthy: true, against: 0, timer: undefined, gone: false };
        watched.set(key, one);
        void look(one);
      }
    },
    healthy: (target) => watched.get(targetKey(target))?.healthy ?? true,
    close() {
      for (const [key, one] of [...watched]) forget(key, one);
      settings = undefined;
      shape = '';
    },
  };
}
