import { Leases } from '@orrery/api';
import type { Lease } from '@orrery/api/types';
import { isConflict, isAlreadyExists, isNotFound } from '@orrery/errors';
import { type Env, type Timer, rfc3339Micro } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';

export interface LeaderElectionOptions {
  readonly api: ApiClient;
  /** The lease's name, e.g. `kube-scheduler`. */
  readonly name: string;
  readonly namespace?: string;
  /** Unique to this process, e.g. `host_uuid`. */
  readonly identity: string;
  /** Upstream's: 15 s, 10 s and 2 s. */
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** The first time, the lease is taken from whoever holds it: that one sees so when it renews, and stops. For development beside a running cluster. */
  readonly takeOver?: boolean;
  /** `signal` aborts when leadership is lost or given up. */
  onStartedLeading(signal: AbortSignal): void;
  onStoppedLeading(): void;
  onNewLeader?(identity: string): void;
}

export interface LeaderElection {
  start(): void;
  /** Stops leading and hands the lease back, so that another takes over at once. */
  stop(): Promise<void>;
  isLeader(): boolean;
  leader(): string;
}

const jitter = 1.2;

/**
 * Leader election by a Lease, as client-go does it: the clock of the holder is never compared with ours; a lease is
 * free once we have seen it unchanged for its duration.
 */
export function createLeaderElection(env: Pick<Env, 'clock' | 'random' | 'log' | 'metrics'>, options: LeaderElectionOptions): LeaderElection {
  const { clock, random, log } = env;
  const { api, name, identity, namespace = 'kube-system', leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
  const status = env.metrics.gauge('leader_election_master_status', 'Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.');
  let observed: Lease | undefined;
  let observedMs = 0;
  let reported = '';
  let leading: AbortController | undefined;
  let timer: Timer | undefined;
  /** Ends leadership in time even when a renewal hangs. */
  let watchdog: Timer | undefined;
  let stopped = true;
  let takesOver = options.takeOver ?? false;
  let busy: Promise<void> = Promise.resolve();

  const observe = (lease: Lease | undefined): void => {
    if (lease?.metadata?.resourceVersion === observed?.metadata?.resourceVersion) return;
    observed = lease;
    observedMs = clock.monotonic();
    const holder = lease?.spec?.holderIdentity ?? '';
    if (holder === reported || !holder) return;
    reported = holder;
    options.onNewLeader?.(holder);
  };
  const spec = (old: Lease | undefined): Lease['spec'] => {
    const now = rfc3339Micro(clock.now());
    const mine = old?.spec?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: mine ? (old?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.spec?.leaseTransitions ?? 0) + (old && !mine ? 1 : 0),
    };
  };
  const tryAcquireOrRenew = async (): Promise<boolean> => {
    try {
      if (leading && observed) {
        observe(await api.update(Leases, { ...observed, spec: spec(observed) ?? {} }));
        return true;
      }
      const current = await api.get(Leases, { namespace, name });
      observe(current);
      const held = current.spec?.holderIdentity && current.spec.holderIdentity !== identity;
      const durationMs = (current.spec?.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;
      if (held && !takesOver && clock.monotonic() < observedMs + durationMs) return false;
      observe(await api.update(Leases, { ...current, spec: spec(current) ?? {} }));
      return true;
    } catch (error) {
      if (isNotFound(error)) {
        try {
          observe(await api.create(Leases, { metadata: { namespace, name }, spec: spec(undefined) ?? {} }));
          return true;
        } catch (failure) {
          if (!isAlreadyExists(failure)) log.warn('cannot create lease', { lease: name, error: (failure as Error).message });
          return false;
        }
      }
      if (isConflict(error)) observe(await api.get(Leases, { namespace, name }).catch(() => observed));
      else log.warn('cannot reach lease', { lease: name, error: (error as Error).message });
      return false;
    }
  };
  const lose = (): void => {
    const was = leading;
    leading = undefined;
    watchdog?.cancel();
    status.set(0, { name });
    if (!was) return;
    was.abort(new Error('leadership lost'));
    options.onStoppedLeading();
  };
  const step = async (): Promise<void> => {
    const ok = await tryAcquireOrRenew();
    if (stopped) return;
    if (ok) {
      watchdog?.cancel();
      watchdog = clock.after(renewDeadlineMs, () => {
        log.warn('lost leadership: the lease was not renewed in time', { lease: name, identity });
        lose();
      });
      takesOver = false;
      if (!leading) {
        leading = new AbortController();
        status.set(1, { name });
        log.info('became leader', { lease: name, identity });
        options.onStartedLeading(leading.signal);
      }
    } else if (leading && observed?.spec?.holderIdentity !== identity) {
      log.warn('lost leadership to another', { lease: name, identity, leader: observed?.spec?.holderIdentity });
      lose();
    }
    const delayMs = leading ? retryPeriodMs : retryPeriodMs * (1 + random.next() * jitter);
    timer = clock.after(delayMs, () => (busy = step()));
  };
  return {
    start() {
      if (!stopped) return;
      stopped = false;
      busy = step();
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      timer?.cancel();
      await busy;
      const held = leading && observed;
      lose();
      if (!held) return;
      const now = rfc3339Micro(clock.now());
      const free = { ...held, spec: { ...held.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now } };
      await api.update(Leases, free).catch((error: unknown) => log.warn('cannot release lease', { lease: name, error: (error as Error).message }));
    },
    isLeader: () => leading !== undefined,
    leader: () => observed?.spec?.holderIdentity ?? '',
  };
}
