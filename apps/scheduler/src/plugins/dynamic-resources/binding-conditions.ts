import { ResourceClaims } from '@orrery/api';
import type { Pod, ResourceClaim } from '@orrery/api/types';
import type { ObjectKey } from '@orrery/client';
import { isConflict } from '@orrery/errors';
import { type Status, unschedulable } from '../../framework/status.ts';
import type { PluginHandle } from '../../framework/types.ts';

/** How often the claims are looked at. */
const lookMs = 1_000;

/** Seconds; upstream's, 100 ms to about 14 minutes. */
const waitBuckets: readonly number[] = Array.from({ length: 14 }, (_, i) => 0.1 * 2 ** i);

type Results = readonly { readonly bindingConditions?: readonly string[] }[];

/** Devices that must be made ready for the node first. */
export const mustWait = (results: Results | undefined): boolean => (results ?? []).some(({ bindingConditions }) => bindingConditions?.length);

/** What drivers say of the devices of a claim: that all are ready, that one will not be (which), or nothing yet. */
export function readinessOf({ status }: Pick<ResourceClaim, 'status'>): 'ready' | 'waiting' | { readonly failed: string } {
  let isReady = true;
  for (const { driver, pool, device, shareID, bindingConditions = [], bindingFailureConditions = [] } of status?.allocation?.devices?.results ?? []) {
    const told = status?.devices?.find((one) => one.driver === driver && one.pool === pool && one.device === device && one.shareID === shareID);
    const isTrue = (name: string): boolean => told?.conditions?.some(({ type, status: is }) => type === name && is === 'True') ?? false;
    const failure = bindingFailureConditions.find(isTrue);
    if (failure !== undefined) return { failed: `${driver}/${pool}/${device}: ${failure}` };
    if (!bindingConditions.every(isTrue)) isReady = false;
  }
  return isReady ? 'ready' : 'waiting';
}

/** Takes the pod's reservation back, and the devices when nobody else has one: others are to be found. */
async function giveBack({ api }: PluginHandle, pod: Pod, key: ObjectKey): Promise<void> {
  for (;;) {
    const claim = await api.get(ResourceClaims, key);
    const { allocation, reservedFor = [], devices: _told, ...status } = claim.status ?? {};
    const left = reservedFor.filter(({ uid }) => uid !== pod.metadata?.uid);
    try {
      await api.update(ResourceClaims, { ...claim, status: left.length ? { ...claim.status, ...(allocation ? { allocation } : {}), reservedFor: left } : status }, { subresource: 'status' });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** How waiting for devices has ended, by upstream's words; `error`: the claims could not be asked about, or the scheduler ends. */
type Outcome = 'success' | 'failure' | 'timeout' | 'error';

/** Told when a wait has ended. */
export type TellWait = (claims: readonly ResourceClaim[], outcome: Outcome, seconds: number) => void;

/** Upstream's metrics of such waits: each device that had to be waited for counts, and the time of each driver. */
export function bindingMetrics({ env: { metrics }, schedulerName: profile }: Pick<PluginHandle, 'env' | 'schedulerName'>): TellWait {
  const name = (rest: string): string => `scheduler_dra_bindingconditions_${rest}`;
  const allocations = metrics.counter(name('allocations_total'), 'Number of allocations using devices with BindingConditions, counted per driver per scheduling attempt');
  const waited = metrics.histogram(name('wait_duration_seconds'), 'Time in seconds spent waiting for BindingConditions to be satisfied during PreBind.', waitBuckets);
  return (claims, status, seconds) => {
    const drivers = claims.flatMap((claim) => (claim.status?.allocation?.devices?.results ?? []).filter((one) => mustWait([one])).map(({ driver }) => driver));
    for (const driver of drivers) allocations.inc({ profile, driver, status });
    for (const driver of new Set(drivers)) waited.observe(seconds, { profile, driver, status });
  };
}

interface Wait {
  readonly pod: Pod;
  readonly claims: readonly ObjectKey[];
  readonly timeoutMs: number;
  readonly tell: TellWait;
}

/**
 * Waits until drivers say that all devices of the claims are ready (KEP-5007). When one will not be, or none of it is heard within the
 * time since it was allocated, all that waits is given back and the pod is to be scheduled anew.
 */
export async function untilReady(handle: PluginHandle, { pod, claims, timeoutMs, tell }: Wait, signal: AbortSignal): Promise<Status | undefined> {
  const { api, env } = handle;
  const beganMs = env.clock.now();
  const began = env.clock.monotonic();
  let found: readonly ResourceClaim[] = [];
  let outcome: Outcome = 'error';
  try {
    for (;;) {
      found = await Promise.all(claims.map((key) => api.get(ResourceClaims, key)));
      const states = found.map(readinessOf);
      if (states.every((state) => state === 'ready')) {
        outcome = 'success';
        return undefined;
      }
      const failure = states.find((state) => typeof state === 'object');
      const sinceMs = Math.min(...found.map(({ status }) => Date.parse(status?.allocation?.allocationTimestamp ?? '') || beganMs));
      if (failure || env.clock.now() - sinceMs >= timeoutMs) {
        outcome = failure ? 'failure' : 'timeout';
        for (const [i, key] of claims.entries()) if (states[i] !== 'ready') await giveBack(handle, pod, key);
        return unschedulable(failure ? `binding of a device failed: ${failure.failed}` : 'device binding timeout');
      }
      await env.clock.sleep(lookMs, signal);
    }
  } finally {
    tell(found, outcome, (env.clock.monotonic() - began) / 1000);
  }
}
