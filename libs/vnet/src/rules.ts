import type { Endpoint } from './net.ts';

/** What kube-proxy programs into a switch: one entry a service port (and node port, external address …). */
export interface ServiceRule {
  /** Where clients connect: a cluster IP, load-balancer or external address; or any node address for a node port. */
  readonly match: { readonly ip: string; readonly port: number; readonly protocol: 'TCP' | 'UDP' } | { readonly nodePort: number; readonly protocol: 'TCP' | 'UDP' };
  /** `namespace/name:port`, for logs and metrics. */
  readonly service: string;
  readonly backends: readonly Endpoint[];
  /** ClientIP affinity: the same client goes to the same backend for this long after its last connection. */
  readonly affinitySeconds?: number;
  /** No backends: refuse (REJECT) or, for Local traffic policy without local endpoints, drop. */
  readonly whenEmpty: 'refuse' | 'drop';
}

/** One node's switch, as the components that program it see it. In one process this is the switch itself. */
export interface SwitchControl {
  /** Replaces all rules at once; connections in place are kept, except UDP affinity to backends that are gone. */
  setServiceRules(rules: readonly ServiceRule[]): Promise<void>;
}
