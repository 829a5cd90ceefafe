import { Nodes } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { Env, Timer } from '@orrery/runtime';
import { parseGoDuration } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import { evictionThresholds } from '../node/node-capacity.ts';
import { type Rejection, tolerates } from '../pods/admission.ts';
import { isCritical } from '../pods/pod-spec.ts';
import { qosClass } from '../status/qos-class.ts';
import { storageExcess } from './local-storage.ts';
import { evictionMessage } from './messages.ts';
import { type ObservedNode, observeNode } from './observe-node.ts';
import { crossed, judgePressure, noPressure, whatIsMissing } from './pressure.ts';
import { rankForEviction } from './ranking.ts';
import { type Pressure, type Threshold, signals } from './thresholds.ts';

/** How often the node is looked at, and how long an evicted pod is waited for before the next look. */
const intervalMs = 10_000;
const cleanupMs = 30_000;
const cleanupPollMs = 1_000;
/** What pods get to end that are in the way now. */
const immediateGraceSeconds = 1;

export interface EvictionOptions {
  readonly kubelet: Kubelet;
  /** The conditions of the node have changed. */
  readonly changed: () => void;
  /** Frees disk space without touching pods; resolves when it has done what it can. */
  readonly reclaimDisk: () => Promise<void>;
}

const memoryPressureTaint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };

/**
 * Keeps the node from running out of memory, disk and process numbers: looks at it every ten seconds, tells of pressure,
 * evicts one pod at a time while a threshold is crossed, and pods that keep more on disk than they may.
 */
export class EvictionManager {
  conditions: readonly Pressure[] = [];
  private readonly env: Env;
  private readonly options: EvictionOptions;
  private readonly thresholds: readonly Threshold[];
  private readonly transitionMs: number;
  private memory = noPressure;
  private timer: Timer | undefined;
  private readonly controller = new AbortController();

  constructor(env: Env, options: EvictionOptions) {
    this.env = env;
    this.options = options;
    const { config } = options.kubelet.context;
    this.thresholds = evictionThresholds(config);
    this.transitionMs = parseGoDuration(config.evictionPressureTransitionPeriod);
  }

  start(): void {
    const { localStorageCapacityIsolation } = this.options.kubelet.context.config;
    if (this.thresholds.length === 0 && !localStorageCapacityIsolation) return;
    // Many nodes in one process do not look at the same moment.
    this.wake(Math.floor(this.env.random.next() * intervalMs));
  }

  stop(): void {
    this.timer?.cancel();
    this.controller.abort(new Error('stopped'));
  }

  /** Under pressure the node takes no pods but critical ones, and, when it is only memory, those with requests or the toleration. */
  admit(pod: Pod): Rejection | undefined {
    if (this.conditions.length === 0 || isCritical(pod)) return undefined;
    if (this.conditions.length === 1 && this.conditions[0] === 'MemoryPressure') {
      if (qosClass(pod) !== 'BestEffort' || tolerates(pod.spec?.tolerations ?? [], memoryPressureTaint)) return undefined;
    }
    return { reason: 'Evicted', message: `Pod was rejected: The node had condition: [${this.conditions.join(' ')}]. ` };
  }

  private wake(delayMs: number): void {
    if (this.controller.signal.aborted) return;
    this.timer = this.env.clock.after(delayMs, () => void this.run());
  }

  private async run(): Promise<void> {
    let evicted: readonly string[] = [];
    try {
      evicted = await this.look();
      if (evicted.length) await this.ended(evicted);
    } catch (error) {
      if (!this.controller.signal.aborted) this.env.log.warn('pressure on the node is not known', { node: this.options.kubelet.nodeName, error: (error as Error).message });
    }
    this.wake(evicted.length ? 0 : intervalMs);
  }

  /** One look at the node. Returns the pods it has begun to evict. */
  private async look(): Promise<readonly string[]> {
    const { kubelet, changed } = this.options;
    if (this.memory === noPressure && ![...kubelet.pods.list()].some(({ sandbox }) => sandbox)) return [];
    const node = await this.observe();
    const { thresholds, transitionMs } = this;
    const verdict = judgePressure(this.memory, { thresholds, observations: node.observations, nowMs: this.env.clock.monotonic(), transitionMs });
    this.memory = verdict.memory;
    const before = this.conditions;
    this.conditions = verdict.conditions;
    if (before.length !== verdict.conditions.length || before.some((one) => !verdict.conditions.includes(one))) changed();
    const overLimit = this.evictGreedy(node);
    if (overLimit.length || verdict.due.length === 0) return overLimit;
    return this.reclaim(node, verdict.due);
  }

  private observe(): Promise<ObservedNode> {
    return observeNode(this.options.kubelet, { processes: this.thresholds.some(({ signal }) => signal === 'pid.available') });
  }

  private evictGreedy({ pods }: ObservedNode): string[] {
    if (!this.options.kubelet.context.config.localStorageCapacityIsolation) return [];
    return pods.flatMap((pod) => {
      const excess = storageExcess(pod, pod.volumes);
      if (!excess || !this.evict(pod.pod, { message: excess.message, graceSeconds: immediateGraceSeconds })) return [];
      this.count(excess.signal);
      return [pod.pod.metadata?.uid ?? ''];
    });
  }

  private async reclaim(node: ObservedNode, due: readonly Threshold[]): Promise<readonly string[]> {
    const [threshold] = due;
    if (!threshold) return [];
    const { kubelet, reclaimDisk } = this.options;
    const { resource, condition } = signals[threshold.signal];
    kubelet.context.events.event(Nodes, kubelet.node(), { type: 'Warning', reason: 'EvictionThresholdMet', message: `Attempting to reclaim ${resource}` });
    if (condition === 'DiskPressure') {
      await reclaimDisk();
      if (crossed(this.thresholds, (await this.observe()).observations, { reclaim: true }).length === 0) return [];
    }
    const graceSeconds = threshold.isHard ? immediateGraceSeconds : kubelet.context.config.evictionMaxPodGracePeriod;
    for (const candidate of rankForEviction(node.pods, resource)) {
      const message = evictionMessage(resource, candidate, whatIsMissing(resource, due, node.observations));
      if (!this.evict(candidate.pod, { message, graceSeconds, disruption: true })) continue;
      this.count(threshold.signal);
      return [candidate.pod.metadata?.uid ?? ''];
    }
    this.env.log.warn('no pod can be evicted', { node: kubelet.nodeName, resource });
    return [];
  }

  /** False for critical pods, and those that are ending anyway. */
  private evict(pod: Pod, { message, graceSeconds, disruption = false }: { message: string; graceSeconds: number; disruption?: boolean }): boolean {
    const worker = this.options.kubelet.pods.get(pod.metadata?.uid ?? '');
    if (!worker || isCritical(pod)) return false;
    return worker.evict({ reason: 'Evicted', message, graceSeconds, event: true, disruption });
  }

  private count(signal: string): void {
    this.env.metrics.counter('kubelet_evictions', 'Cumulative number of pod evictions by eviction signal').inc({ eviction_signal: signal });
  }

  private async ended(uids: readonly string[]): Promise<void> {
    const { kubelet } = this.options;
    const untilMs = this.env.clock.monotonic() + cleanupMs;
    const active = (): boolean => uids.some((uid) => kubelet.pods.get(uid)?.ended === false);
    while (active() && this.env.clock.monotonic() < untilMs) await this.env.clock.sleep(cleanupPollMs, this.controller.signal);
  }
}
