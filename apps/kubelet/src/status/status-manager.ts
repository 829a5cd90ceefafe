import { Pods } from '@orrery/api';
import type { Pod, PodCondition, PodStatus } from '@orrery/api/types';
import { type ApiClient, deepEqual } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { ownedConditions } from './pod-conditions.ts';

/** Tells a status when it is asked for. */
export interface StatusSource {
  status(): PodStatus;
}

interface Entry {
  pod: Pod;
  /** Undefined while it was only announced. */
  wanted: PodStatus | undefined;
  /** Who announced it. */
  source: StatusSource | undefined;
  /** What the API server holds, as far as we know. */
  sent: PodStatus;
  /** The pod of the API server that holds it. */
  sentTo: string;
  /** Revision of our last write; older states of the pod tell nothing new. */
  sentVersion: string | undefined;
  inFlight: boolean;
  /** A better status is likely soon: this one may wait until then, by the monotonic clock. */
  lazyUntilMs: number | undefined;
  retry: Timer | undefined;
  failures: number;
  /** Who waits until all is sent. */
  waiters: (() => void)[] | undefined;
}

type Patch = Record<string, unknown>;

/** Lists of `{ip}` merge by ip, so addresses that went away have to be named. */
function ipsPatch(sent: readonly { ip?: string }[] | undefined, wanted: readonly { ip?: string }[]): unknown[] {
  const patch: unknown[] = [...wanted];
  for (const { ip } of sent ?? none) if (!wanted.some((other) => other.ip === ip)) patch.push({ $patch: 'delete', ip });
  return patch;
}

/** A condition that also clears fields of the old one that it no longer has. */
function conditionPatch(old: PodCondition | undefined, condition: PodCondition): PodCondition | Patch {
  const noReason = old?.reason && condition.reason === undefined;
  const noMessage = old?.message && condition.message === undefined;
  return noReason || noMessage ? { ...condition, ...(noReason ? { reason: null } : {}), ...(noMessage ? { message: null } : {}) } : condition;
}

/** Conditions that changed, and those that are gone. */
function conditionsPatch(sent: readonly PodCondition[], wanted: readonly PodCondition[]): unknown[] {
  const patch: unknown[] = [];
  for (const condition of wanted) {
    const old = sent.find(({ type }) => type === condition.type);
    if (!deepEqual(condition, old)) patch.push(conditionPatch(old, condition));
  }
  for (const { type } of sent) if (!wanted.some((other) => other.type === type)) patch.push({ $patch: 'delete', type });
  return patch;
}

const fields = ['phase', 'reason', 'message', 'hostIP', 'hostIPs', 'podIP', 'startTime', 'initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses', 'qosClass', 'observedGeneration'] as const;
const replaced = ['allocatedResources', 'resources'] as const;
const none: readonly never[] = [];

/** The strategic merge patch that turns what was sent into what is wanted; undefined when there is nothing to do. */
export function statusPatch(sent: PodStatus, wanted: PodStatus): Patch | undefined {
  const patch: Patch = {};
  let isChanged = false;
  const put = (field: string, value: unknown): void => {
    patch[field] = value;
    isChanged = true;
  };
  for (const field of fields) {
    const value = wanted[field];
    if (deepEqual(sent[field], value)) continue;
    if (value !== undefined) put(field, value);
    else if (field === 'reason' || field === 'message') put(field, null);
  }
  // Amounts that are no longer told must go.
  for (const field of replaced) if (wanted[field] && !deepEqual(sent[field], wanted[field])) put(field, { ...wanted[field], $patch: 'replace' });
  if (wanted.podIPs && !deepEqual(sent.podIPs, wanted.podIPs)) put('podIPs', ipsPatch(sent.podIPs, wanted.podIPs));
  if (wanted.hostIPs && patch['hostIPs']) put('hostIPs', ipsPatch(sent.hostIPs, wanted.hostIPs));
  const conditions = conditionsPatch(sent.conditions ?? none, wanted.conditions ?? none);
  if (conditions.length) {
    put('conditions', conditions);
    put('$setElementOrder/conditions', (wanted.conditions ?? none).map(({ type }) => ({ type })));
  }
  return isChanged ? patch : undefined;
}

/** Keeps what the kubelet reported; what others own stays theirs. */
function ours(status: PodStatus): PodStatus {
  return { ...status, conditions: (status.conditions ?? []).filter(({ type }) => ownedConditions.includes(type)) };
}

/** A status made of the values of another where they are the same: those are kept in any case. */
function sharedWith(kept: PodStatus, wanted: PodStatus): PodStatus {
  const shared: Record<string, unknown> = { ...wanted };
  for (const field in shared) {
    const other: unknown = kept[field as keyof PodStatus];
    if (deepEqual(other, shared[field])) shared[field] = other;
  }
  return shared;
}

function wake(entry: Entry): void {
  const { waiters } = entry;
  entry.waiters = undefined;
  if (waiters) for (const resolve of waiters) resolve();
}

function versionOf(version = ''): bigint {
  return /^\d+$/.test(version) ? BigInt(version) : 0n;
}

/**
 * Sends pod statuses to the API server: only what changed, one patch at a time a pod, the newest status wins. One that is only announced
 * is not even made if a better one comes within a moment.
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

  /** Reports a status. */
  set(pod: Pod, status: PodStatus): void {
    const entry = this.entryOf(pod);
    entry.pod = pod;
    entry.wanted = status;
    entry.source = undefined;
    entry.lazyUntilMs = undefined;
    this.send(entry);
  }

  /** Announces the first status of a pod: the source is asked for it when none was reported within the configured delay, or when somebody wants to know. */
  expect(pod: Pod, source: StatusSource): void {
    const entry = this.entryOf(pod);
    entry.source = source;
    entry.lazyUntilMs = this.env.clock.monotonic() + this.delayMs;
    this.flush ??= this.env.clock.after(this.delayMs, () => this.flushLazy());
  }

  private entryOf(pod: Pod): Entry {
    const uid = uidOf(pod);
    let entry = this.entries.get(uid);
    if (!entry) {
      entry = { pod, wanted: undefined, source: undefined, sent: ours(pod.status ?? {}), sentTo: uid, sentVersion: undefined, inFlight: false, lazyUntilMs: undefined, retry: undefined, failures: 0, waiters: undefined };
      this.entries.set(uid, entry);
    }
    return entry;
  }

  /** The API server shows the pod: what somebody else has done to our part of its status is undone. */
  observe(pod: Pod): void {
    const entry = this.entries.get(uidOf(pod));
    if (!entry || entry.inFlight || pod.metadata?.resourceVersion === entry.sentVersion || versionOf(pod.metadata?.resourceVersion) <= versionOf(entry.sentVersion)) return;
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

  /** The newest status, sent or not. */
  get(uid: string): PodStatus | undefined {
    const entry = this.entries.get(uid);
    return entry && this.wantedOf(entry);
  }

  /** The newest status that was reported, or made because it was wanted. */
  reported(uid: string): PodStatus | undefined {
    return this.entries.get(uid)?.wanted;
  }

  /** Whether a status was reported or announced. */
  has(uid: string): boolean {
    return this.entries.has(uid);
  }

  /** Resolves when everything reported for the pod has been sent (or the pod is gone). */
  async settled(uid: string): Promise<void> {
    const entry = this.entries.get(uid);
    if (!entry || (!entry.inFlight && !entry.retry && !statusPatch(entry.sent, this.wantedOf(entry)))) return;
    const done = new Promise<void>((resolve) => (entry.waiters ??= []).push(resolve));
    this.send(entry);
    await done;
  }

  forget(uid: string): void {
    const entry = this.entries.get(uid);
    if (!entry) return;
    this.entries.delete(uid);
    entry.retry?.cancel();
    wake(entry);
  }

  stop(): void {
    this.flush?.cancel();
    for (const uid of [...this.entries.keys()]) this.forget(uid);
  }

  /** What was announced is made now. */
  private wantedOf(entry: Entry): PodStatus {
    const { source } = entry;
    entry.source = undefined;
    return (entry.wanted ??= source?.status() ?? entry.sent);
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
    const wanted = this.wantedOf(entry);
    const status = entry.sent === wanted ? undefined : statusPatch(entry.sent, wanted);
    if (!status) {
      // Alike as far as it is told: one copy is enough.
      if (entry.sent !== wanted) entry.sent = entry.wanted = sharedWith(entry.sent, wanted);
      wake(entry);
      return;
    }
    entry.inFlight = true;
    void this.patch(entry, { status, wanted, target }).then(() => {
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
      entry.sentVersion = answer.metadata?.resourceVersion;
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
