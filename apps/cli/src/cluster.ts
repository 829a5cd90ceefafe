import type { ChaosWorld, ToldFaults } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { AdjustableClock } from '@orrery/runtime';
import type { ClockControl } from './control/clock-control.ts';
import type { DataDir } from './data-dir.ts';
import type { NodeControl } from './single/added-nodes.ts';
import type { ExtraConfig } from './extra-config.ts';

/** What `orrery up` was asked for. */
export interface ClusterOptions {
  readonly dir: DataDir;
  /** Names the cluster in kubeconfigs. */
  readonly name: string;
  readonly nodes: number;
  /** In one process: 2 gives everything but the store and the API server a thread of its own. */
  readonly threads?: 1 | 2;
  /** Stores that replicate everything, in the processes layout; undefined: as many as the data directory has, one in a new one. */
  readonly stores?: number;
  /** API servers, in the processes layout; several stand behind a load balancer. */
  readonly apiServers: number;
  /** Schedulers, controller managers and cloud controller managers each, in the processes layout; one of a kind leads. */
  readonly replicas: number;
  /** 0 picks a free port. */
  readonly apiPort: number;
  /** Address the API server listens on. */
  readonly apiHost: string;
  readonly node: { readonly cpu: string; readonly memory: string; readonly pods: number };
  /** A DNS cache on each node, which pods ask. */
  readonly nodeLocalDns?: boolean;
  /** Components left out, so that another process can take their place. */
  readonly without: ReadonlySet<string>;
  /** Flags of components beyond those this program sets. */
  readonly extra: ExtraConfig;
  /** Of components in this process. A clock that can be advanced says whether it is just now. */
  readonly clock: AdjustableClock;
  /** Moves `clock` ahead at once, on purpose. */
  readonly jump?: (ms: number) => void;
  /** Called when a process was started again. */
  readonly onChange?: () => void;
}

/** A cluster of any layout while it runs. */
export interface Cluster {
  /** Resolves when the API server answers; `step` is told what goes on. */
  start(step: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Resolves when every node is Ready and DNS answers. */
  untilReady(step: (text: string) => void, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** `https://127.0.0.1:6443`; valid once started. */
  server(): string;
  /** Kubeconfig of the administrator. */
  kubeconfig(): string;
  /** host:port by purpose, for people and for `orrery status`. */
  endpoints(): Readonly<Record<string, string>>;
  /** Adds and removes nodes, where they are in this process. */
  nodeControl?(): NodeControl | undefined;
  /** Moves its time, where more than this thread's clock is to be moved. */
  clockControl?(): ClockControl | undefined;
  /** What faults can do to a cluster whose components are in this process. */
  chaosWorld?(api: ApiClient): ChaosWorld;
  /** pid by component, where components are processes of their own. */
  processes?(): Readonly<Record<string, number>>;
  /** Tells one of these processes what is wrong with it; resolves once it does so. */
  tellFaults?(component: string, told: ToldFaults): Promise<void>;
  /** Path of the socket on which these take orders (`orrery upgrade`, `nx serve`). */
  processControl?(): string;
}

/** Components that `--without` may name. */
export const replaceable = ['scheduler', 'controller-manager', 'cloud-controller-manager', 'csi-disk', 'cloud', 'kube-proxy', 'coredns', 'ingress', 'metrics-server'] as const;
