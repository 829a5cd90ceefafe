import { unresolvable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';

/** Pods with `spec.schedulingGates` wait until their gates are removed. */
export const schedulingGates = definePlugin({
  name: 'SchedulingGates',
  create: () => ({
    name: 'SchedulingGates',
    preEnqueue({ pod }) {
      const gates = pod.spec?.schedulingGates ?? [];
      return gates.length ? unresolvable(`waiting for scheduling gates: [${gates.map((gate) => gate.name).join(' ')}]`) : undefined;
    },
  }),
});
