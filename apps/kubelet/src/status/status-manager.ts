import { Pods } from '@orrery/api';
import type { Pod, PodCondition, PodStatus } from '@orrery/api/types';
import { type ApiClient, deepEqual } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { ownedConditions } from './pod-conditions.ts';

interface Entry {
  pod: Pod;
  wanted: PodStatus;
  /** What the API server holds, as far as we know. */
  sent: PodStatus;
  /** The pod of the API server that holds it. */
  sentTo: string;
  /** Revision of our last write; older states of the pod tell nothing new. */
  sentVersion: bigint;
  inFlight: boolean;
  /** A better status is likely soon: this one may wait until then, by the monotonic clock. */
  lazyUntilMs: number | undefined;
  retry: Timer | undefined;
  failures: number;
  waiters: (() => void)[];
}

type Patch = Record<string, unknown>;

/** Lists of `{ip}` merge by ip, so addresses that went away have to be named. */
function ipsPatch(sent: readonly { ip?: string }[], wanted: readonly { ip?: string }[]): unknown[] {
  const gone = sent.filter(({ ip }) => !wanted.some((other) => other.ip === ip));
  return [...wanted, ...gone.map(({ ip }) => ({ $patch: 'delete', ip }))];
}

function changedConditions(sent: readonly PodCondition[], wanted: readonly PodCondition[]): PodCondition[] {
  return wanted.filter((condition) => !deepEqual(condition, sent.find((other) => other.type === condition.type)));
}

/** A condition patch that also clears fields the new condition no longer has. */
function conditionPatch(sent: readonly PodCondition[], condition: PodCondition): Patch {
  const old = sent.find((other) => other.type === condition.type);
  const cleared = (['reason', 'message'] as const).filter((key) => old?.[key] && condition[key] === undefined);
  return { ...condition, ...Object.fromEntries(cleared.map((key) => [key, null])) };
}

const fields = ['phase', 'reason', 'message', 'hostIP', 'hostIPs', 'podIP', 'startTime', 'initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses', 'qosClass', 'observedGeneration'] as const;

/** The strategic merge patch that turns what was sent into what is wanted; undefined when there is nothing to do. */
export function statusPatch(sent: PodStatus, wanted: PodStatus): Patch | undefined {
  const patch: Patch = {};
  for (const field of fields) {
    if (deepEqual(sent[field], wanted[field])) continue;
    if (wanted[field] !== undefined) patch[field] = wanted[field];
    else if (field === 'reason' || field === 'message') patch[field] = null;
  }
  // Amounts that are no longer told must go.
  for (const field of ['allocatedResources', 'resources'] as const) if (wanted[field] && !deepEqual(sent[field], wanted[field])) patch[field] = { ...wanted[field], $patch: 'replace' };
  if (wanted.podIPs && !deepEqual(sent.podIPs, wanted.podIPs)) patch['podIPs'] = ipsPatch(sent.podIPs ?? [], wanted.podIPs);
  if (wanted.hostIPs && patch['hostIPs']) patch['hostIPs'] = ipsPatch(sent.hostIPs ?? [], wanted.hostIPs);
  const conditions = changedConditions(sent.conditions ?? [], wanted.conditions ?? []);
  const gone = (sent.conditions ?? []).filter(({ type }) => !wanted.conditions?.some((other) => other.type === type));
  if (conditions.length || gone.length) {
    patch['conditions'] = [...conditions.map((condition) => conditionPatch(sent.conditions ?? [], condition)), ...gone.map(({ type }) => ({ $patch: 'delete', type }))];
    patch['$setElementOrder/conditions'] = (wanted.conditions ?? []).map(({ type }) => ({ type }));
  }
  return Object.keys(patch).length ? patch : undefined;
}

/** Keeps what the kubelet reported; what others own stays theirs. */
function ours(status: PodStatus): PodStatus {
  return { ...status, conditions: (status.conditions ?? []).filter(({ type }) => ownedConditions.includes(type)) };
}

/** A status made of the values of another where they are the same: those are kept in any case. */
function sharedWith(kept: PodStatus, wanted: PodStatus): PodStatus {
  return Object.fromEntries(Object.entries(wanted).map(([field, value]) => {
    const other: unknown = kept[field as keyof PodStatus];
    return [field, deepEqual(other, value) ? other : value];
  }));
}

function versionOf(pod: Pod): bigint {
  const version = pod.metadata?.resourceVersion ?? '';
  return /^\d+$/.test(version) ? BigInt(version) : 0n;
}

/**
 * Sends pod statuses to the API server: only what changed, one patch at a time a pod, the newest status wins. A lazy
 * status waits a moment for a better one to take its place.
 */
export class StatusManager {
  private readonly entries = new Map<string, Entry>();
  private readonly env: Env;
  private readonly api: ApiClient;
  private readonly delayMs: number;
  private readonly shownAs: (pod: Pod) => Pod | undefined;
  private flush: Timer | undefined;

  /** `shownAs` says which pod of the API server a status belongs to: a static pod's is its mirror, undefined while there is none. */
  constructor(env: Env, options: { api: ApiClient; delayMs: number; shownAs?: (pod: Pod) => Pod | undefined }) {
    this.env = env;
    this.api = options.api;
    this.delayMs = options.delayMs;
    this.shownAs = options.shownAs ?? ((pod) => pod);
  }

  /** Reports a status. `lazy` ones are held back for the configured delay. */
  set(pod: Pod, status: PodStatus, options: { lazy?: boolean } = {}): void {
    const uid = uidOf(pod);
    let entry = this.entries.get(uid);
    if (!entry) {
      entry = { pod, wanted: status, sent: ours(pod.status ?? {}), sentTo: uid, sentVersion: 0n, inFlight: false, lazyUntilMs: undefined, retry: undefined, failures: 0, waiters: [] };
      this.entries.set(uid, entry);
    }
    entry.pod = pod;
    entry.wanted = status;
    entry.lazyUntilMs = options.lazy ? this.env.clock.monotonic() + this.delayMs : undefined;
    if (!options.lazy) this.send(entry);
    else this.flush ??= this.env.clock.after(this.delayMs, () => this.flushLazy());
  }

  /** The API server shows the pod: what somebody else has done to our part of its status is undone. */
  observe(pod: Pod): void {
    const entry = this.entries.get(uidOf(pod));
    if (!entry || entry.inFlight || versionOf(pod) <= entry.sentVersion) return;
    const { phase, conditions = [] } = pod.status ?? {};
    const changed = (sent: PodCondition): boolean => conditions.find(({ type }) => type === sent.type)?.status !== sent.status;
    if (phase === entry.sent.phase && !(entry.sent.conditions ?? []).some(changed)) return;
    entry.sent = ours(pod.status ?? {});
    if (entry.lazyUntilMs === undefined) this.send(entry);
  }

  /** A static pod has a mirror that may be told of its status. */
  shown(uid: string): void {
    const entry = this.entries.get(uid);
    if (entry && entry.lazyUntilMs === undefined) this.send(entry);
  }

  /** The newest status reported, sent or not. */
  get(uid: string): PodStatus | undefined {
    return this.entries.get(uid)?.wanted;
  }

  /** Resolves when everything reported for the pod has been sent (or the pod is gone). */
  async settled(uid: string): Promise<void> {
    const entry = this.entries.get(uid);
    if (!entry || (!entry.inFlight && !entry.retry && !statusPatch(entry.sent, entry.wanted))) return;
    const done = new Promise<void>((resolve) => entry.waiters.push(resolve));
    this.send(entry);
    await done;
  }

  forget(uid: string): void {
    const entry = this.entries.get(uid);
    if (!entry) return;
    this.entries.delete(uid);
    entry.retry?.cancel();
    for (const wake of entry.waiters.splice(0)) wake();
  }

  stop(): void {
    this.flush?.cancel();
    for (const uid of [...this.entries.keys()]) this.forget(uid);
  }

  private flushLazy(): void {
    this.flush = undefined;
    const nowMs = this.env.clock.monotonic();
    let nextMs = Infinity;
    for (const entry of this.entries.values()) {
      if (entry.lazyUntilMs === undefined) continue;
      if (entry.lazyUntilMs > nowMs) {
        nextMs = Math.min(nextMs, entry.lazyUntilMs);
        continue;
      }
      entry.lazyUntilMs = undefined;
      this.send(entry);
    }
    if (nextMs < Infinity) this.flush = this.env.clock.after(nextMs - nowMs, () => this.flushLazy());
  }

  private send(entry: Entry): void {
    if (entry.inFlight || entry.retry) return;
    const target = this.shownAs(entry.pod);
    if (!target) return;
    if (uidOf(target) !== entry.sentTo) {
      entry.sentTo = uidOf(target);
      entry.sent = ours(target.status ?? {});
    }
    const status = statusPatch(entry.sent, entry.wanted);
    if (!status) {
      // Alike as far as it is told: one copy is enough.
      entry.sent = entry.wanted = sharedWith(entry.sent, entry.wanted);
      for (const wake of entry.waiters.splice(0)) wake();
      return;
    }
    entry.inFlight = true;
    void this.patch(entry, { status, wanted: entry.wanted, target }).then(() => {
      entry.inFlight = false;
      if (this.entries.get(uidOf(entry.pod)) === entry && entry.lazyUntilMs === undefined) this.send(entry);
    });
  }

  private async patch(entry: Entry, { status, wanted, target }: { status: Patch; wanted: PodStatus; target: Pod }): Promise<void> {
    try {
      const patch = { metadata: { uid: uidOf(target) }, status };
      const answer = await this.api.patch(Pods, { namespace: namespaceOf(target), name: nameOf(target) }, patch, { subresource: 'status', type: 'application/strategic-merge-patch+json' });
      entry.sent = sharedWith(answer.status ?? {}, wanted);
      if (entry.wanted === wanted) entry.wanted = entry.sent;
      entry.sentVersion = versionOf(answer);
      entry.failures = 0;
    } catch (error) {
      this.failed(entry, { error, isOwn: target === entry.pod });
    }
  }

  private failed(entry: Entry, { error, isOwn }: { error: unknown; isOwn: boolean }): void {
    const uid = uidOf(entry.pod);
    if (this.entries.get(uid) !== entry) return;
    if (isNotFound(error)) {
      // A mirror comes again.
      if (isOwn) this.forget(uid);
      return;
    }
    const delayMs = Math.min(10_000, 100 * 2 ** entry.failures++);
    this.env.log.warn('pod status was not sent', { pod: `${namespaceOf(entry.pod)}/${nameOf(entry.pod)}`, error: (error as Error).message, retryMs: delayMs });
    entry.retry = this.env.clock.after(delayMs, () => {
      entry.retry = undefined;
      this.send(entry);
    });
  }
}
