import type { ChaosReport, Fault, Injected, WorldName } from '@orrery/chaos';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';

/** A fault as tests write it: its verb, what it is aimed at, its parameters; checked as it is injected. */
export type FaultInput = Partial<Fault> & Pick<Fault, 'verb'>;

/** One change of an object, as it was seen. */
export interface Change {
  /** By the cluster's clock, milliseconds since the epoch. */
  readonly atMs: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: string;
  readonly object: KubeObject;
}

export interface EventuallyOptions {
  /** Of the cluster's time, milliseconds. Default 60000. */
  readonly withinMs?: number;
  /** Says what is waited for, should it not come true. */
  readonly what?: string;
}

/** The faults of a cluster under test. */
export interface ChaosVerbs {
  /** Strikes; `end` ends it. Rejects with what is wrong, or which worlds can do it where this one cannot. */
  inject(fault: FaultInput): Promise<Injected>;
  /** Strikes for as long as `act` takes, and ends it whatever comes of that. */
  during<T>(fault: FaultInput, act: () => Promise<T>): Promise<T>;
  /** Ends everything that is in force. */
  stopAll(): Promise<void>;
  /** What was broken when, and what it did to the nodes. */
  report(): ChaosReport;
}

/** A cluster of a user's test, in any world. Everything of it is gone after `stop`. */
export interface TestWorld {
  readonly world: WorldName;
  /** Of the administrator. In the simulated world a call takes as much of the cluster's time as it needs. */
  readonly api: ApiClient;
  /** As another user, with no rights but what RBAC gives. Simulated world only: elsewhere make credentials as with any cluster. */
  as(user: string, groups?: readonly string[]): ApiClient;
  /** File for kubectl and other clients; undefined in the simulated world, which listens nowhere. */
  readonly kubeconfig: string | undefined;
  /** The cluster's time, milliseconds since the epoch. */
  now(): number;
  /** Lets the cluster's time pass: at once in the simulated world, moved ahead in the single one, in real time elsewhere. */
  advance(ms: number): Promise<void>;
  /** Tries until `check` neither throws nor gives false; rejects with its last failure. */
  eventually<T>(check: () => Promise<T> | T, options?: EventuallyOptions): Promise<Exclude<T, false>>;
  readonly chaos: ChaosVerbs;
  /** What happened to objects since the start (or since `follow`), oldest first. */
  history(resource?: ResourceRef): readonly Change[];
  /** Follows another resource from now on; Pods, Nodes, Events and the workloads are followed from the start. */
  follow(resource: ResourceRef): void;
  /** What components logged; the end of it is in the error of an `eventually` that failed. */
  logs(component?: string): string;
  stop(): Promise<void>;
}
