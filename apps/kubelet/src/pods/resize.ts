import { Pods } from '@orrery/api';
import type { Container, Pod, ResourceRequirements } from '@orrery/api/types';
import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { deepEqual } from '@orrery/client';
import type { KubeletContext } from '../kubelet-context.ts';
import { linuxResources } from '../runtime/container-config.ts';
import type { PodRuntime, RuntimeContainer } from '../runtime/pod-runtime.ts';
import { type Allocation, type ResizePending, askedAllocation, needsRestart, rememberedAllocation, withAllocation } from './allocation.ts';
import { allContainers, initContainers, mainContainers } from './pod-spec.ts';

export interface ResizerOptions {
  readonly context: KubeletContext;
  /** Grants what the pod asks for, or says why not. */
  readonly allocate: (asked: Pod, granted: Pod) => ResizePending | undefined;
}

export interface ResizeState {
  readonly pending?: ResizePending;
  /** Granted, but not done. */
  readonly error?: string;
  /** Of a pod that has resources as a whole: what it was granted, and what is in force. */
  readonly whole?: { readonly allocated: ResourceRequirements; readonly inForce: ResourceRequirements };
}

const nothing: ResourceRequirements = {};

interface Step {
  readonly container: Container;
  readonly instance: RuntimeContainer;
  readonly from: ResourceRequirements;
  readonly to: ResourceRequirements;
}

/** One pod's resources: asked for, granted, and in force. */
export class Resizer {
  private readonly context: KubeletContext;
  private readonly grant: ResizerOptions['allocate'];
  private asked: Pod;
  private granted: Allocation;
  /** In force for instances that were resized; the others have what they were made with. */
  private readonly inForce = new Map<string, ResourceRequirements>();
  private state: ResizeState = {};
  /** The granted resources of the pod as a whole, and those that the runtime was told last. */
  private whole: { allocated: ResourceRequirements; inForce: ResourceRequirements } | undefined;

  constructor(pod: Pod, options: ResizerOptions) {
    this.context = options.context;
    this.grant = options.allocate;
    this.asked = pod;
    this.granted = rememberedAllocation(pod);
  }

  /** The pod as it is to be run, for a new state of it. */
  observe(pod: Pod): Pod {
    this.asked = pod;
    return withAllocation(pod, this.granted);
  }

  /** Asks the node for what the pod asks for; the pod as it is to be run from now on. */
  allocate(granted: Pod): Pod {
    const { asked } = this;
    if (granted === asked) {
      if (this.state.pending) this.state = this.state.error === undefined ? {} : { error: this.state.error };
      return granted;
    }
    const pending = this.grant(asked, granted);
    if (pending) {
      if (pending.reason !== this.state.pending?.reason) this.tell('Warning', `Resize${pending.reason}`, pending.message);
      this.state = { ...this.state, pending };
      return granted;
    }
    this.granted = askedAllocation(asked);
    this.state = {};
    return asked;
  }

  get status(): ResizeState {
    return this.whole ? { ...this.state, whole: this.whole } : this.state;
  }

  /** What is in force for an instance; undefined: what it was made with. */
  resourcesOf(id: string): ResourceRequirements | undefined {
    return this.inForce.get(id);
  }

  /** Remembers what a new instance is made with. */
  made(id: string, { resources = nothing }: Container): void {
    this.inForce.set(id, resources);
  }

  /** Whether running containers, or the pod as a whole, have something else than they were granted. */
  differs(pod: Pod, runtime: PodRuntime): boolean {
    return this.steps(pod, runtime).length > 0 || this.wholeStep(pod) !== undefined;
  }

  private steps(pod: Pod, runtime: PodRuntime): Step[] {
    for (const id of this.inForce.keys()) if (!runtime.containers.some((instance) => instance.id === id)) this.inForce.delete(id);
    const steps: Step[] = [];
    const judge = (container: Container): void => {
      const instance = runtime.containers.find(({ name, state }) => name === container.name && state === 'running');
      if (!instance) return;
      const to = container.resources ?? nothing;
      const from = this.inForce.get(instance.id);
      // An instance of an earlier kubelet: it has what its status told.
      if (!from) this.inForce.set(instance.id, to);
      else if (!deepEqual(from, to)) steps.push({ container, instance, from, to });
    };
    initContainers(pod).forEach(judge);
    mainContainers(pod).forEach(judge);
    return steps;
  }

  /** Brings running containers to what they were granted; those that must be restarted for it are returned. */
  async actuate(pod: Pod, runtime: PodRuntime): Promise<RuntimeContainer[]> {
    const steps = this.steps(pod, runtime);
    const whole = this.wholeStep(pod);
    if (!steps.length && !whole) return [];
    const restart: RuntimeContainer[] = [];
    try {
      if (whole) await this.updateWhole(pod, { runtime, to: whole });
      for (const step of steps) {
        if (needsRestart(step.container, step.from, step.to)) restart.push(step.instance);
        else await this.update(pod, step);
      }
      this.state = this.state.pending ? { pending: this.state.pending } : {};
      this.tell('Normal', 'ResizeCompleted', `Pod resize completed: ${JSON.stringify({ ...(whole ? { resources: whole } : {}), ...(steps.length ? { containers: steps.map(({ container, to }) => ({ name: container.name, resources: to })) } : {}) })}`);
    } catch (error) {
      this.state = { ...this.state, error: (error as Error).message };
      this.tell('Warning', 'ResizeError', (error as Error).message);
    }
    return restart;
  }

  /** What the pod as a whole is to have, where the runtime does not know it yet; a pod that is new was made with it. */
  private wholeStep({ spec }: Pod): ResourceRequirements | undefined {
    const to = spec?.resources;
    if (!to) return undefined;
    this.whole = { allocated: to, inForce: this.whole?.inForce ?? to };
    return deepEqual(this.whole.inForce, to) ? undefined : to;
  }

  private async updateWhole(pod: Pod, { runtime, to }: { runtime: PodRuntime; to: ResourceRequirements }): Promise<void> {
    const { runtime: cri, config } = this.context;
    const sandbox = runtime.sandboxes.find(({ ready }) => ready);
    const { oomScoreAdj: _, ...resources } = linuxResources(pod, { name: '', resources: to }, quantityValue(parseQuantity(config.memory)));
    if (sandbox) await cri.updateSandbox(sandbox.id, resources);
    // Containers without limits of their own have the pod's.
    for (const { container } of allContainers(pod)) {
      const { cpu, memory } = container.resources?.limits ?? {};
      const instance = cpu && memory ? undefined : runtime.containers.find(({ name, state }) => name === container.name && state === 'running');
      if (instance) await cri.updateResources(instance.id, linuxResources(pod, container, quantityValue(parseQuantity(config.memory))));
    }
    this.whole = { allocated: to, inForce: to };
  }

  private async update(pod: Pod, { container, instance, from, to }: Step): Promise<void> {
    const { runtime, config } = this.context;
    const limit = (resources: ResourceRequirements): number => (resources.limits?.['memory'] === undefined ? 0 : quantityValue(parseQuantity(resources.limits['memory'])));
    const [before, after] = [limit(from), limit(to)];
    if (after > 0 && (before === 0 || after < before)) {
      const used = await runtime.memoryUsage(instance.id);
      if (used > after) throw new Error(`attempting to set container ${JSON.stringify(container.name)} memory limit (${after}) below current usage (${used})`);
    }
    await runtime.updateResources(instance.id, linuxResources(pod, container, quantityValue(parseQuantity(config.memory))));
    this.inForce.set(instance.id, to);
  }

  private tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.events.event(Pods, this.asked, { type, reason, message });
  }
}
