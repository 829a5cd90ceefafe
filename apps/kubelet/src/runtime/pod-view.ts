import type { Pod } from '@orrery/api/types';
import type { KubeletContext } from '../kubelet-context.ts';
import { hasEnded, withTerminationMessages } from '../pods/termination-message.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { type PodRuntime, type RuntimeEvent, noRuntime, rememberedContainers, showsEvent, withLostContainers } from './pod-runtime.ts';

/** What the kubelet has seen of one pod in the runtime. */
export class PodView {
  runtime: PodRuntime;
  /** Something may have changed since. */
  stale = true;
  readonly sandboxIds: Set<string>;
  /** The runtime may have made a sandbox and not said so. */
  private doubtful = false;
  private readonly context: KubeletContext;
  /** Events that came during the look under way. */
  private arrivals: RuntimeEvent[] | undefined;
  private messages: Map<string, string> | undefined;

  /** `sandboxIds`: those the runtime had of the pod when the kubelet started. */
  constructor(context: KubeletContext, { pod, sandboxIds }: { pod: Pod; sandboxIds: readonly string[] }) {
    this.context = context;
    this.sandboxIds = new Set(sandboxIds);
    this.runtime = { sandboxes: [], containers: rememberedContainers(pod) };
  }

  /** Whether an event tells what was not seen yet. Of one that comes during a look that is said when the look is over. */
  isNews(event: RuntimeEvent): boolean {
    if (!this.arrivals) return !showsEvent(this.runtime, event);
    this.arrivals.push(event);
    return false;
  }

  /** Whether there is nothing to ask the runtime for: it has had no sandbox of the pod, nor is anything remembered of one. Then the pod is seen as it is. */
  isBlank(): boolean {
    if (this.doubtful || this.sandboxIds.size > 0 || this.runtime.sandboxes.length + this.runtime.containers.length > 0) return false;
    this.stale = false;
    return true;
  }

  /** A sandbox was asked for, without an answer that names it: the next look asks for all there are. */
  doubt(): void {
    this.doubtful = this.stale = true;
  }

  /** Looks at the runtime. True when something happened meanwhile that was not seen. */
  async look(pod: Pod): Promise<boolean> {
    this.stale = false;
    const arrivals: RuntimeEvent[] = (this.arrivals = []);
    try {
      const { sandboxIds, context } = this;
      if (this.doubtful) for (const id of await context.runtime.sandboxIds(uidOf(pod))) sandboxIds.add(id);
      this.doubtful = false;
      const fresh = sandboxIds.size ? await context.runtime.podRuntime(sandboxIds) : noRuntime;
      if (fresh.sandboxes.length < sandboxIds.size) for (const id of sandboxIds) if (!fresh.sandboxes.some((sandbox) => sandbox.id === id)) sandboxIds.delete(id);
      const whole = withLostContainers(this.runtime.containers, fresh, context.env.clock.now());
      this.runtime = hasEnded(whole) ? await this.withMessages(pod, whole) : whole;
    } finally {
      this.arrivals = undefined;
    }
    return arrivals.length > 0 && arrivals.some((event) => this.isNews(event));
  }

  private withMessages(pod: Pod, runtime: PodRuntime): Promise<PodRuntime> {
    const { host, logs } = this.context;
    return withTerminationMessages(pod, runtime, { host, logs, known: () => (this.messages ??= new Map()) });
  }
}
