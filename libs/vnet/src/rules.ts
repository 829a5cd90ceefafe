import type { Endpoint } from './net.ts';
import type { PolicySet } from './policy.ts';

/** What kube-proxy programs into a switch: one entry a service port (and node port, external address …). */
export interface ServiceRule {
  /** Where clients connect: a cluster IP, load-balancer or external address; or the node's address of a family (4 where none is said) for a node port, any where it has but one. */
  readonly match: { readonly ip: string; readonly port: number; readonly protocol: 'TCP' | 'UDP' } | { readonly nodePort: number; readonly protocol: 'TCP' | 'UDP'; readonly family?: 4 | 6 };
  /** `namespace/name:port`, for logs and metrics. */
  readonly service: string;
  readonly backends: readonly Endpoint[];
  /** Backends for what comes from this node and its pods, where that differs: the short cut past a `Local` external policy. */
  readonly inside?: readonly Endpoint[];
  /** ClientIP affinity: the same client goes to the same backend for this long after its last connection. */
  readonly affinitySeconds?: number;
  /** No backends: refuse (REJECT) or, for Local traffic policy without local endpoints, drop. */
  readonly whenEmpty: 'refuse' | 'drop';
  /** Ranges that may connect (`loadBalancerSourceRanges`); all others are dropped. Absent: everybody. */
  readonly sources?: readonly string[];
  /** Backends see the node's address instead of the client's, as for external traffic under the `Cluster` policy. */
  readonly masquerade?: boolean;
}

/** The rules of some services, by `namespace/name`; a service without rules is gone. */
export interface ServiceUpdate {
  /**
   * `shared`: rules that are the same on all switches. Switches of one process that were given the same update with `full` keep
   * them in one place, and must be given the same further ones. `own`: rules of this switch alone; they come first.
   */
  readonly layer: 'shared' | 'own';
  /** Services that are not named are gone. */
  readonly full: boolean;
  readonly services: ReadonlyMap<string, readonly ServiceRule[]>;
}

/** The answer on a health-check node port (`spec.healthCheckNodePort`). */
export interface HealthPort {
  readonly port: number;
  readonly namespace: string;
  readonly service: string;
  /** Endpoints on this node; without one the answer is 503. */
  readonly localEndpoints: number;
}

/** One node's switch, as the components that program it see it. In one process this is the switch itself. */
export interface SwitchControl {
  /** Replaces all rules at once; connections in place are kept, except UDP affinity to backends that are gone. */
  setServiceRules(rules: readonly ServiceRule[]): Promise<void>;
  /** Replaces the rules of the services named, as `setServiceRules` does; all updates at once. */
  updateServices(updates: readonly ServiceUpdate[]): Promise<void>;
  /** Replaces the health-check node ports that answer on the node's address. */
  setHealthPorts(ports: readonly HealthPort[]): Promise<void>;
  /** Replaces the network policies; connections in place are kept. */
  setPolicies(policies: PolicySet): Promise<void>;
}
