import type { Pod, PodDisruptionBudget } from '@orrery/api/types';
import type { ApiClient, EventRecorder } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { NamespaceLabels } from '../cache/affinity-terms.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { Nominations } from '../cache/nominations.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { Snapshot } from '../cache/snapshot.ts';
import type { ClusterVolumes } from '../volumes/cluster-volumes.ts';
import type { Status } from './status.ts';

/** Scratch space of one scheduling cycle, shared by the plugins of one pod; keyed by plugin name. */
export type CycleState = Map<string, unknown>;

/** Something that happened in the cluster and may make waiting pods schedulable. */
export interface ClusterEvent {
  readonly resource: 'Pod' | 'AssignedPod' | 'Node' | 'PersistentVolumeClaim' | 'PersistentVolume' | 'StorageClass' | 'CSINode' | 'Other';
  readonly action: 'Add' | 'Update' | 'Delete';
  readonly old?: unknown;
  readonly object?: unknown;
}

/** Which events may undo a plugin's refusal. `hint` looks closer; without it every such event requeues. */
export interface EventInterest {
  readonly resource: ClusterEvent['resource'];
  readonly actions: readonly ClusterEvent['action'][];
  readonly hint?: (pod: PodInfo, event: ClusterEvent) => 'Queue' | 'Skip';
}

/** A PreFilter may name the only nodes worth looking at. */
export interface PreFilterResult {
  readonly nodeNames?: ReadonlySet<string>;
}

export function isStatus(value: PreFilterResult | Status | undefined): value is Status {
  return value !== undefined && 'code' in value;
}

/**
 * One plugin of a profile; it implements the extension points it needs. All but the binding points run to completion
 * without waiting, so a cycle sees one snapshot. Filter and Score are called for thousands of nodes: no allocation there.
 */
export interface Plugin {
  readonly name: string;
  readonly events?: readonly EventInterest[];
  /** Keeps a pod out of the queue: gates. */
  preEnqueue?(pod: PodInfo): Status | undefined;
  /** Order of the queue; exactly one plugin of a profile has it. */
  less?(a: QueuedPod, b: QueuedPod): boolean;
  /** `skip` spares the plugin's Filter in this cycle. */
  preFilter?(state: CycleState, pod: PodInfo, snapshot: Snapshot): PreFilterResult | Status | undefined;
  filter?(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  /** Runs when no node fits; may nominate one (preemption). */
  postFilter?(state: CycleState, pod: PodInfo, snapshot: Snapshot, statuses: ReadonlyMap<string, Status>): Promise<PostFilterResult> | PostFilterResult;
  /** `skip` spares the plugin's Score in this cycle. */
  preScore?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined;
  score?(state: CycleState, pod: PodInfo, node: NodeInfo): number;
  /** Brings raw scores into 0…100, in place. */
  normalize?(state: CycleState, pod: PodInfo, scores: number[]): void;
  reserve?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  /** Undoes `reserve`; also called for plugins that never reserved. */
  unreserve?(state: CycleState, pod: PodInfo, nodeName: string): void;
  /** May hold the pod back: resolves when it may go on. `signal` aborts when the pod is gone. */
  permit?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined> | Status | undefined;
  /** May wait for what the pod needs on its node; `signal` aborts when the scheduler stops. */
  preBind?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined> | Status | undefined;
  /** The first that does not skip binds. */
  bind?(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined>;
  postBind?(state: CycleState, pod: PodInfo, nodeName: string): void;
}

export interface PostFilterResult {
  /** '' takes an earlier nomination back; absent leaves it. */
  readonly nominatedNode?: string;
  readonly message: string;
  /** What was begun failed: try the pod again after its back-off, without waiting for an event. */
  readonly retry?: boolean;
}

/** What plugins may use. */
export interface PluginHandle {
  readonly env: Env;
  readonly api: ApiClient;
  readonly snapshot: () => Snapshot;
  /** Labels of a namespace; undefined when it is not known. */
  readonly namespaceLabels?: NamespaceLabels;
  readonly schedulerName: string;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly nominations: Nominations;
  readonly budgets: () => readonly PodDisruptionBudget[];
  readonly volumes: ClusterVolumes;
  /** Runs the profile's PreFilter and Filter for a pod on a node that may be a changed copy, nominated pods included. */
  readonly fits: (pod: PodInfo, node: NodeInfo) => Status | undefined;
}

/** A plugin by name: one file, one line in `plugins/index.ts`. */
export interface PluginDefinition<Args = Readonly<Record<string, unknown>>> {
  readonly name: string;
  create(handle: PluginHandle, args: Args): Plugin;
}

export function definePlugin<Args>(definition: PluginDefinition<Args>): PluginDefinition<Args> {
  return definition;
}

/** A pod on its way through the queue. */
export interface QueuedPod {
  info: PodInfo;
  /** When it entered the queue for the first time, and this time. */
  readonly firstMs: number;
  enteredMs: number;
  attempts: number;
  /** Names of the plugins that refused it last time. */
  refusedBy: ReadonlySet<string>;
}

export const maxNodeScore = 100;

export function podKey(pod: Pod): string {
  return `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
}
