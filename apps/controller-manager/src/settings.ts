import { type ConfigOf, type ConfigSchema, resolveConfig } from '@orrery/runtime';

/** What decides how the controllers behave; the flags have upstream's names where upstream has them. */
export const settingsSchema = {
  controllers: { type: 'list', default: ['*'], help: "controllers to run: '*' all, 'name' that one, '-name' not that one" },
  leaderElect: { type: 'boolean', default: true, help: 'run the controllers only while holding the Lease kube-system/kube-controller-manager' },
  clusterCidr: { type: 'string', default: '10.244.0.0/16', help: 'range that nodes get their pod ranges from' },
  nodeCidrMaskSize: { type: 'number', default: 24, help: 'mask size of the pod range of a node' },
  allocateNodeCidrs: { type: 'boolean', default: true, help: 'give every node a pod range' },
  nodeMonitorGracePeriodSeconds: { type: 'number', default: 50, help: 'age of the Lease of a node beyond which it counts as unreachable' },
  nodeMonitorPeriodSeconds: { type: 'number', default: 5, help: 'how often the Leases of nodes are looked at' },
  terminatedPodGcThreshold: { type: 'number', default: 12_500, help: 'finished pods to keep before the oldest are deleted' },
} as const satisfies ConfigSchema;

export type Settings = ConfigOf<typeof settingsSchema>;

export const defaultSettings: Settings = resolveConfig(settingsSchema, []);

/** Is a controller wanted by the words of `--controllers`? A name beats `*`; the last word about a name counts. */
export function isEnabled(name: string, words: readonly string[]): boolean {
  const about = words.filter((word) => word === name || word === `-${name}`).at(-1);
  if (about !== undefined) return about === name;
  return words.includes('*');
}
