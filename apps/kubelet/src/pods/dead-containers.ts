import { type Env, type Timer, parseGoDuration } from '@orrery/runtime';
import type { KubeletContext } from '../kubelet-context.ts';
import type { RuntimeContainer } from '../runtime/pod-runtime.ts';
import { isTerminal } from './pod-spec.ts';
import type { PodWorker } from './pod-worker.ts';
import { removeInstances } from './start-container.ts';

/** An instance that has ended, of the container of a pod. */
export interface DeadInstance {
  /** Pod and container. */
  readonly unit: string;
  readonly instance: Pick<RuntimeContainer, 'createdMs'>;
  /** What tells that the container of a pod that goes on has run: without it it would run again. */
  readonly needed: boolean;
}

const byAge = (a: DeadInstance, b: DeadInstance): number => a.instance.createdMs - b.instance.createdMs;

/** Which ended instances are too many for the node: each container keeps an equal share, at least one; if that is not enough the oldest go. Upstream's order. */
export function surplus<T extends DeadInstance>(dead: readonly T[], most: number): T[] {
  if (most < 0 || dead.length <= most) return [];
  const units = Map.groupBy(dead, ({ unit }) => unit);
  const share = Math.max(1, Math.floor(most / units.size));
  const gone = new Set([...units.values()].flatMap((instances) => instances.sort(byAge).slice(0, Math.max(0, instances.length - share))));
  const left = dead.filter((one) => !gone.has(one));
  const oldest = left.filter(({ needed }) => !needed).sort(byAge).slice(0, Math.max(0, left.length - most));
  return [...gone, ...oldest];
}

const periodMs = 60_000;

/** Removes ended instances when the node has more than `--maximum-dead-containers` of them, once a minute. */
export class DeadContainers {
  private readonly env: Env;
  private readonly kubelet: { readonly context: KubeletContext; readonly pods: { list(): Iterable<PodWorker> } };
  private timer: Timer | undefined;

  constructor(env: Env, kubelet: DeadContainers['kubelet']) {
    this.env = env;
    this.kubelet = kubelet;
  }

  start(): void {
    if (this.kubelet.context.config.maximumDeadContainers < 0) return;
    this.timer = this.env.clock.every(periodMs, () => {
      this.collect().catch((error: unknown) => this.env.log.warn('ended containers are not removed', { error }));
    });
  }

  stop(): void {
    this.timer?.cancel();
  }

  private async collect(): Promise<void> {
    const { context, pods } = this.kubelet;
    const { maximumDeadContainers, minimumContainerTtlDuration } = context.config;
    const bornBeforeMs = this.env.clock.now() - parseGoDuration(minimumContainerTtlDuration);
    const dead = [...pods.list()].flatMap(({ uid, pod, runtime }) =>
      runtime.containers
        .filter(({ state, lost, createdMs }) => state !== 'running' && !lost && createdMs <= bornBeforeMs)
        .map((instance) => ({ unit: `${uid}/${instance.name}`, instance, needed: !isTerminal(pod.status?.phase) && runtime.containers.every(({ name, createdMs }) => name !== instance.name || createdMs <= instance.createdMs) })),
    );
    await removeInstances(context, surplus(dead, maximumDeadContainers).map(({ instance }) => instance));
  }
}
