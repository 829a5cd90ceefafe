import { definePlugin } from '../../framework/types.ts';
import { findCandidate, ineligible } from './candidates.ts';
import { clearNominations, evict } from './evict.ts';
import { selectVictims } from './victims.ts';

/**
 * Makes room for a pod that fits nowhere by deleting pods of lower priority from the node where that hurts least, and nominates
 * the node. The pod is scheduled there in a later cycle, when its victims are gone.
 */
export const defaultPreemption = definePlugin({
  name: 'DefaultPreemption',
  create(handle) {
    const { env, nominations } = handle;
    const attempts = env.metrics.counter('scheduler_preemption_attempts_total', 'Total preemption attempts in the cluster till now');
    const victimCounts = env.metrics.histogram('scheduler_preemption_victims', 'Number of selected preemption victims', [1, 2, 4, 8, 16, 32, 64]);
    return {
      name: 'DefaultPreemption',
      async postFilter(_state, pod, snapshot, statuses) {
        attempts.inc();
        const waitsFor = nominations.of(pod.uid) ?? '';
        const reason = ineligible(pod, snapshot.get(waitsFor), statuses.get(waitsFor));
        if (reason) return { message: `preemption: ${reason}` };
        if (snapshot.nodes.length === 0) return { message: '' };
        const budgets = handle.budgets();
        const found = findCandidate({
          snapshot,
          statuses,
          offset: (count) => env.random.int(count),
          dryRun: (node) => selectVictims({ pod, node, budgets, fits: handle.fits }),
        });
        if (typeof found === 'string') return { nominatedNode: '', message: `preemption: ${found}` };
        const { nodeName, victims } = found;
        const displaced = nominations.on(nodeName).filter((other) => other.priority < pod.priority);
        // Before anything is awaited: the next cycles must leave the room to this pod.
        nominations.set(pod, nodeName);
        victimCounts.observe(victims.length);
        try {
          await Promise.all(victims.map((victim) => evict(handle, victim, { pod, nodeName })));
          await clearNominations(handle, displaced);
          return { nominatedNode: nodeName, message: '' };
        } catch (error) {
          nominations.delete(pod.uid);
          env.log.error('preemption failed', { pod: pod.key, node: nodeName, error });
          return { nominatedNode: '', message: `preemption: ${error instanceof Error ? error.message : String(error)}`, retry: true };
        }
      },
    };
  },
});
