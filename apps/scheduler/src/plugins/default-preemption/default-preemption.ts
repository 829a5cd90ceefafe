import type { DefaultPreemptionArgs } from '../../configuration/types.ts';
import type { Pod } from '@orrery/api/types';
import { type NodeStatuses, unresolvable } from '../../framework/status.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Candidate, definePlugin } from '../../framework/types.ts';
import { findCandidates, ineligible } from './candidates.ts';
import { createDryRuns } from './dry-runs.ts';
import { clearNominations, evict } from './evict.ts';
import { createPendingEvictions } from './pending-evictions.ts';
import { leastHarm } from './victims.ts';

const evicting = unresolvable('waiting for the preemption for this pod to be finished');

/**
 * Makes room for a pod that fits nowhere by deleting pods of lower priority from the node where that hurts least, and nominates
 * the node. The pod is scheduled there in a later cycle, when its victims are gone; meanwhile other pods are scheduled.
 */
export const defaultPreemption = definePlugin<DefaultPreemptionArgs>({
  name: 'DefaultPreemption',
  create(handle, args) {
    const { env, nominations } = handle;
    const attempts = env.metrics.counter('scheduler_preemption_attempts_total', 'Total preemption attempts in the cluster till now');
    const victimCounts = env.metrics.histogram('scheduler_preemption_victims', 'Number of selected preemption victims', [1, 2, 4, 8, 16, 32, 64]);
    const evictions = env.metrics.counter('scheduler_preemption_goroutines_execution_total', 'Number of preemption goroutines executed.');
    const evictionTime = env.metrics.histogram('scheduler_preemption_goroutines_duration_seconds', 'Duration in seconds for running goroutines for the preemption.', Array.from({ length: 20 }, (_, i) => 0.01 * 2 ** i));
    /** What follows a choice goes on beside the next cycles. */
    const inBackground = async (work: Promise<void>): Promise<void> => {
      const began = env.clock.monotonic();
      let result = 'error';
      try {
        await work;
        result = 'success';
      } finally {
        evictions.inc({ result });
        evictionTime.observe((env.clock.monotonic() - began) / 1000, { result });
      }
    };
    const dryRunFor = createDryRuns(handle);
    const best = (candidates: readonly Candidate[]): Candidate | string => leastHarm(candidates) ?? 'no candidate node for preemption';
    /** A promise only when extenders are asked: otherwise the node is nominated before the next cycle begins. */
    const choose = (pod: PodInfo, snapshot: Snapshot, statuses: NodeStatuses): Candidate | string | Promise<Candidate | string> => {
      const found = findCandidates({ snapshot, statuses, args, offset: (count) => env.random.int(count), dryRun: dryRunFor(pod) });
      if (typeof found === 'string') return found;
      return handle.narrowCandidates ? handle.narrowCandidates(pod, found).then(best) : best(found);
    };
    const pending = createPendingEvictions(handle.snapshot);
    return {
      name: 'DefaultPreemption',
      events: [{ resource: 'AssignedPod', actions: ['Update', 'Delete'], hint: (pod, { object }) => (pending.concerns(pod.uid, object as Pod) ? 'Queue' : 'Skip') }],
      preEnqueue: ({ uid }) => (pending.isPending(uid) ? evicting : undefined),
      async postFilter(_state, pod, snapshot, statuses) {
        attempts.inc();
        const waitsFor = nominations.of(pod.uid) ?? '';
        const reason = ineligible(pod, snapshot.get(waitsFor), waitsFor ? statuses.get(waitsFor) : undefined);
        if (reason) return { message: `preemption: ${reason}` };
        if (snapshot.nodes.length === 0) return { message: '' };
        let chosen: { readonly nodeName: string; readonly victims: readonly PodInfo[] } | undefined;
        try {
          const choice = choose(pod, snapshot, statuses);
          const found = choice instanceof Promise ? await choice : choice;
          if (typeof found === 'string') return { nominatedNode: '', message: `preemption: ${found}` };
          chosen = found;
          const { nodeName, victims } = found;
          const displaced = nominations.on(nodeName).filter((other) => other.priority < pod.priority);
          // Before evictions are awaited: the next cycles must leave the room to this pod.
          nominations.set(pod, nodeName);
          pending.begin(pod, nodeName, victims);
          victimCounts.observe(victims.length);
          await inBackground(Promise.all(victims.map((victim) => evict(handle, victim, { pod, nodeName }))).then(() => clearNominations(handle, displaced)));
          return { nominatedNode: nodeName, message: '' };
        } catch (error) {
          nominations.delete(pod.uid);
          pending.end(pod.uid);
          env.log.error('preemption failed', { pod: pod.key, node: chosen?.nodeName ?? '', error });
          return { nominatedNode: '', message: `preemption: ${error instanceof Error ? error.message : String(error)}`, retry: true };
        }
      },
    };
  },
});
