import { Leases, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import type { FakeApi } from '@orrery/client/testing';
import { type Clock, type Random, rfc3339, rfc3339Micro } from '@orrery/runtime';
import { nodeOfPod } from '../../daemonset/placement.ts';

export interface MachinesOptions {
  readonly api: FakeApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly nodes: number;
  /** Does a node's kubelet show signs of life now? Without it none does, nor is any asked to. */
  readonly isHeard?: (node: string) => boolean;
  /** Share of running pods that end by themselves in a step. */
  readonly mishaps: () => number;
  readonly onMishap: () => void;
}

/** Pods whose containers run to an end by themselves. */
const finite = (pod: Pod): boolean => pod.spec?.restartPolicy === 'Never';

/** Plays the scheduler and all kubelets: binds pods, runs them, ends those of Jobs, and removes those that are being deleted. */
export class Machines {
  private readonly options: MachinesOptions;
  private next = 0;
  private beatMs = Number.NEGATIVE_INFINITY;
  /** Phases that pods of Jobs ended in, by UID. */
  readonly ended = new Map<string, { pod: Pod; phase: 'Succeeded' | 'Failed' }>();

  constructor(options: MachinesOptions) {
    this.options = options;
    const seeded = Array.from({ length: options.nodes }, (_, i): Node => ({ metadata: { name: `n${i}` }, status: { conditions: [{ type: 'Ready', status: 'True' }] } }));
    options.api.seed(Nodes, ...seeded);
  }

  /** One look at all pods; to be called every second or so. */
  step(): void {
    this.beat();
    for (const pod of this.options.api.objects(Pods)) this.tend(pod);
  }

  /** Every ten seconds or so, the Lease of each node that is heard. */
  private beat(): void {
    const { api, clock, isHeard, nodes } = this.options;
    if (!isHeard || clock.monotonic() < this.beatMs + 10_000) return;
    this.beatMs = clock.monotonic();
    const namespace = 'kube-node-lease';
    for (let i = 0; i < nodes; i++) {
      const name = `n${i}`;
      if (!isHeard(name)) continue;
      const spec = { holderIdentity: name, renewTime: rfc3339Micro(clock.now()) };
      if (api.find(Leases, name, namespace)) void api.patch(Leases, { namespace, name }, { spec }, { type: 'application/merge-patch+json' }).catch(() => undefined);
      else void api.create(Leases, { metadata: { name, namespace }, spec }).catch(() => undefined);
    }
  }

  private tend(pod: Pod): void {
    const { api, random } = this.options;
    const { namespace = '', name = '', deletionTimestamp } = pod.metadata ?? {};
    if (random.int(3) === 0) return;
    const { phase } = pod.status ?? {};
    const over = phase === 'Succeeded' || phase === 'Failed';
    if (deletionTimestamp) {
      if (!over && finite(pod)) this.end(pod, 'Failed');
      else if (pod.metadata?.deletionGracePeriodSeconds !== 0 || !pod.metadata.finalizers?.length) void api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => undefined);
    } else if (!pod.spec?.nodeName) this.bind(pod);
    else if (phase === 'Pending') this.status(pod, { phase: 'Running', startTime: rfc3339(this.options.clock.now()), podIP: `10.0.${Math.floor(this.next / 250)}.${(this.next++ % 250) + 1}` }, 'True');
    else if (phase === 'Running' && finite(pod)) this.end(pod, random.next() < 0.2 ? 'Failed' : 'Succeeded');
    else if (phase === 'Running' && random.next() < this.options.mishaps()) {
      this.options.onMishap();
      if (random.int(2)) this.status(pod, { phase: 'Failed' }, 'False');
      else void api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => undefined);
    }
  }

  private end(pod: Pod, phase: 'Succeeded' | 'Failed'): void {
    const finishedAt = rfc3339(this.options.clock.now());
    this.ended.set(pod.metadata?.uid ?? '', { pod, phase });
    this.status(pod, { phase, containerStatuses: [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: phase === 'Failed' ? 1 : 0, finishedAt } } }] }, 'False');
  }

  private bind(pod: Pod): void {
    const wanted = nodeOfPod(pod) ?? `n${this.options.random.int(this.options.nodes)}`;
    if (this.options.isHeard?.(wanted) === false || this.options.api.find(Nodes, wanted)?.spec?.taints?.length) return;
    const { namespace = '', name = '' } = pod.metadata ?? {};
    void this.options.api.patch(Pods, { namespace, name }, { spec: { nodeName: wanted } }, { type: 'application/merge-patch+json' }).catch(() => undefined);
  }

  private status(pod: Pod, status: object, ready: string): void {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    const condition = { type: 'Ready', status: ready, lastTransitionTime: rfc3339(this.options.clock.now()) };
    this.options.api.setStatus(Pods, { namespace, name }, { ...status, conditions: [condition] });
  }
}
