import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, EventRecorder, Informer, InformerSelection } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { Expectations } from './expectations.ts';

/** `rbac.authorization.k8s.io` PolicyRule. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** What a running controller works with. */
export interface ControllerContext<State = undefined> {
  readonly env: Env;
  readonly api: ApiClient;
  readonly events: EventRecorder;
  /** Created once a run by `setup`. */
  readonly state: State;
  /** Of creations and deletions of what the controller `owns`; observed for it. Keys are those of the queue. */
  readonly expectations: Expectations;
  /** The shared cache of a resource. Ask for it in `setup` (or name it in `for`, `owns`, `watches`), so that it is synced before the first reconcile. */
  store<T extends KubeObject>(resource: ResourceRef<T>, selection?: InformerSelection): Informer<T>;
  enqueue(key: string): void;
  enqueueAfter(key: string, delayMs: number): void;
}

export interface Watch<T extends KubeObject = KubeObject, State = undefined> {
  readonly resource: ResourceRef<T>;
  /** The keys to reconcile because of a change; `old` is undefined for what is new, `gone` true for what was deleted. */
  keys(change: { object: T; old: T | undefined; gone: boolean }, context: ControllerContext<State>): Iterable<string>;
}

/** Types the change of a watch. */
export function watch<T extends KubeObject, State = undefined>(resource: ResourceRef<T>, keys: Watch<T, State>['keys']): Watch<KubeObject, State> {
  return { resource, keys } as unknown as Watch<KubeObject, State>;
}

export interface ReconcileResult {
  /** Look again after this time even if nothing changes. */
  readonly requeueAfterMs?: number;
}

/** What is known of a change when it is decided how long it may wait for others. */
export interface Change {
  /** The object itself is new, gone, or asks for something else; not just its status or a dependent is. */
  readonly asked: boolean;
  /** How many changes of all keys there were lately, each second: what is much at once is better taken together. */
  readonly perSecond: number;
}

export interface ControllerDefinition<T extends KubeObject = KubeObject, State = undefined> {
  /** As in `--controllers` and in metrics, e.g. `replicaset-controller`. */
  readonly name: string;
  /** What the metrics of its queue are named by, as upstream names it. Default: `name`. */
  readonly queue?: string;
  /** What its events name as their source, where that is not `name`. */
  readonly eventSource?: string;
  /** Every change of these enqueues their key. */
  readonly for?: ResourceRef<T>;
  /** Keys enqueued at the start, for work that is not about one object. */
  readonly initialKeys?: readonly string[];
  /** Changes of these enqueue their controlling owner, and settle its expectations. */
  readonly owns?: readonly ResourceRef[];
  /** Says which owners may adopt an orphan of what is owned; called for those without controller. */
  readonly adopters?: (orphan: KubeObject, context: ControllerContext<State>) => Iterable<string>;
  readonly watches?: readonly Watch<KubeObject, State>[];
  /** The service account in kube-system that it acts as, where each controller acts as its own; its ClusterRole is `system:controller:ACCOUNT`. Default: `name`. Empty: it acts as who runs it. */
  readonly account?: string;
  /** What a controller needs to be allowed whose account has no role among the API server's own. */
  readonly rbac?: readonly Rule[];
  /** An API that not every server has, and without which the controller is left out. */
  readonly needs?: ResourceRef;
  /** Keys worked on at once. Default 5. */
  readonly concurrency?: number;
  /** Least time between a change and its reconcile, to take many changes of one key together. Default 0. */
  readonly coalesceMs?: (key: string, context: ControllerContext<State>, change: Change) => number;
  setup?(context: Omit<ControllerContext, 'state'>): State;
  /** Releases what `setup` or a reconcile opened. */
  dispose?(context: ControllerContext<State>): void;
  /** Brings the world closer to what the object says. Level-triggered; a failure is tried again with back-off. */
  reconcile(key: string, context: ControllerContext<State>): Promise<ReconcileResult | void>;
}

/** A controller without its types, for lists of controllers. */
export type AnyController = ControllerDefinition<KubeObject, unknown>;

/** Declares a controller. The decision itself belongs into an exported pure `plan(observed, nowMs)`. */
export function defineController<T extends KubeObject, State = undefined>(definition: ControllerDefinition<T, State>): AnyController {
  return definition as unknown as AnyController;
}
