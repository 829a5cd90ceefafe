import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the scheduler. */
export const schedulerSchema = {
  leaderElect: { type: 'boolean', default: true, help: 'schedule only while holding the lease kube-system/kube-scheduler' },
  schedulerName: { type: 'string', default: 'default-scheduler', help: 'spec.schedulerName of the pods to schedule' },
  percentageOfNodesToScore: { type: 'number', default: 0, help: 'share of feasible nodes to find before scoring; 0 adapts to the size of the cluster' },
  disabledPlugins: { type: 'list', default: [], help: 'plugins of the default profile to leave out' },
  scoringStrategy: { type: 'string', default: 'LeastAllocated', choices: ['LeastAllocated', 'MostAllocated'], help: 'how NodeResourcesFit scores' },
  podInitialBackoffSeconds: { type: 'number', default: 1, help: 'first back-off of a pod that could not be scheduled' },
  podMaxBackoffSeconds: { type: 'number', default: 10, help: 'longest back-off' },
} as const satisfies ConfigSchema;

export type SchedulerConfig = ConfigOf<typeof schedulerSchema>;
