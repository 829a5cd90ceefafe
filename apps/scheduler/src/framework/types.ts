import type { Pod, PodDisruptionBudget } from '@orrery/api/types';
import type { ApiClient, EventRecorder, InformerFactory } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { NamespaceLabels } from '../cache/affinity-terms.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { Nominations } from '../cache/nominations.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { Snapshot } from '../cache/snapshot.ts';
import type { ClusterVolumes } from '../volumes/cluster-volumes.ts';
import type { NodeStatuses, Status } from './status.ts';
import type { WaitingPods } from './waiting-pods.ts';
import type { FollowedResources } from './extended-resources.ts';

/** Scratch space of one scheduling cycle, shared by the plugins of one pod; keyed by plugin name. */
export type CycleState = Map<string, unknown>;

/** Something that happened in the cluster and may make waiting pods schedulable. `Pod` is one without a node. */
export interface ClusterEvent {
  readonly resource:
    | 'Pod'
    | 'AssignedPod'
    | 'Node'
    | 'PersistentVolumeClaim'
    | 'PersistentVolume'
    | 'StorageClass'
    | 'CSINode'
    | 'CSIDriver'
    | 'CSIStorageCapacity'
    | 'VolumeAttachment'
    | 'ResourceClaim'
    | 'ResourceSlice'
    | 'DeviceClass'
    | 'PodGroup'
    | 'Service'
    | 'Other';
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

/** Permit holds the pod back until a plugin allows or rejects it, at most this long (and at most 15 minutes). */
export interface PermitWait {
  readonly waitMs: number;
}

export function isStatus(value: object | undefined): value is Status {
  return value !== undefined && 'code' in value;
}

/**
 * One plugin of a profile; it implements the extension points it needs. All but the binding points run to completion
 * without waiting, so a cycle sees one snapshot. Filter and Score are called for thousands of nodes: no allocation there.
 */
export interface Plugin {
  readonly name: string;
  /**
   * Filter and Score look at nothing but what `shapeOf` is made of and the one node. Their results are then kept for pods of the
   * same shape until the node changes.
   */
  readonly local?: boolean;
  readonly events?: readonly EventInterest[];
  /** Keeps a pod out of the queue: gates. */
  preEnqueue?(pod: PodInfo): Status | undefined;
  /** Order of the queue; exactly one plugin of a profile has it. */
  less?(a: QueuedPod, b: QueuedPod): boolean;
  /** `skip` spares the plugin's Filter in this cycle. */
  preFilter?(state: CycleState, pod: PodInfo, snapshot: Snapshot): PreFilterResult | Status | undefined;
  filter?(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  /** Runs when no node fits; may nominate one (preemption). */
  postFilter?(state: CycleState, pod: PodInfo, snapshot: Snapshot, statuses: NodeStatuses): Promise<PostFilterResult> | PostFilterResult;
  /** `skip` spares the plugin's Score in this cycle. */
  preScore?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined;
  score?(state: CycleState, pod: PodInfo, node: NodeInfo): number;
  /** As `score`, of all nodes at once, for who is faster so than node by node. */
  scoreAll?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], scores: Scores): void;
  /** Brings raw scores into 0…100, in place. */
  normalize?(state: CycleState, pod: PodInfo, scores: Scores, nodes: readonly NodeInfo[]): void;
  reserve?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  /** Undoes `reserve`; also called for plugins that never reserved. */
  unreserve?(state: CycleState, pod: PodInfo, nodeName: string): void;
  /** May refuse the pod, or hold it back until `PluginHandle.waitingPods` allow or reject it. */
  permit?(state: CycleState, pod: PodInfo, nodeName: string): PermitWait | Status | undefined;
  /** May wait for what the pod needs on its node; `signal` aborts when the scheduler stops. */
  preBind?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined> | Status | undefined;
  /** The first that does not skip binds. */
  bind?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined>;
  postBind?(state: CycleState, pod: PodInfo, nodeName: string): void;
}

/** One number a node, in the order of the nodes. */
export type Scores = number[] | Float64Array;

export interface PostFilterResult {
  /** '' takes an earlier nomination back; absent leaves it. */
  readonly nominatedNode?: string;
  readonly message: string;
  /** It could not even be tried to make room: no other plugin is asked. */
  readonly failed?: boolean;
  /** What was begun failed: try the pod again after its back-off, without waiting for an event. */
  readonly retry?: boolean;
}

/** A node on which a pod would fit without some pods, the most important first. */
export interface Candidate {
  readonly nodeName: string;
  readonly victims: readonly PodInfo[];
  /** Victims whose disruption budget does not allow it. */
  readonly violations: number;
}

/** What plugins may use. */
export interface PluginHandle {
  readonly env: Env;
  readonly api: ApiClient;
  /** What a plugin needs to know beside pods and nodes; asked for when it is created. */
  readonly informers: InformerFactory;
  /** Tells the queue what a plugin's own informers have seen. */
  readonly tell: (event: ClusterEvent) => void;
  readonly snapshot: () => Snapshot;
  /** Labels of a namespace; undefined when it is not known. */
  readonly namespaceLabels?: NamespaceLabels;
  readonly schedulerName: string;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly nominations: Nominations;
  /** Resources that devices may stand for. */
  readonly extended: FollowedResources;
  readonly budgets: () => readonly PodDisruptionBudget[];
  readonly volumes: ClusterVolumes;
  /** Pods that Permit holds back. */
  readonly waitingPods: WaitingPods;
  /** Runs the profile's PreFilter and Filter for a pod on a node that may be a changed copy, nominated pods included. */
  readonly fits: (pod: PodInfo, node: NodeInfo) => Status | undefined;
  /** `fits` for many nodes, when only `local` plugins have a say about the pod: the answers hold for all pods of its shape. */
  readonly localFits: (pod: PodInfo) => ((node: NodeInfo) => Status | undefined) | undefined;
  /** Extenders look over the nodes on which pods could be preempted. */
  readonly narrowCandidates?: (pod: PodInfo, candidates: readonly Candidate[]) => Promise<readonly Candidate[]>;
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
  /** No event brought it back: it was tried again for having waited so long. */
  flushed?: boolean;
}

/** Upstream's name of an event, as its metrics have it. */
export const eventName = ({ resource, action }: Pick<ClusterEvent, 'resource' | 'action'>): string => `${resource === 'Pod' ? 'UnschedulablePod' : resource}${action}`;

export const maxNodeScore = 100;

export function podKey(pod: Pod): string {
  return `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
}
