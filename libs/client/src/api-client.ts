import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { StatusError } from '@orrery/errors';

export interface ObjectKey {
  readonly namespace?: string;
  readonly name: string;
}

export interface ReadOptions {
  readonly subresource?: string;
  readonly resourceVersion?: string;
  /** More parameters of the URL, for what another server behind an APIService has (`custom.metrics.k8s.io`). */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface ListOptions {
  /** Absent or empty: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'NotOlderThan' | 'Exact';
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface WatchOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Events strictly after this revision; absent or "0": synthetic ADDED for the current state first. */
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export interface WatchEvent<T = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface WatchSink<T> {
  /** Events of consecutive revisions in order; never empty. */
  events(batch: readonly WatchEvent<T>[]): void;
  /** The watch is over; called once, not after `stop()`. 410 Expired means: list again. */
  closed(error?: StatusError): void;
}

export interface WatchHandle {
  stop(): void;
}

export interface WriteOptions {
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
}

export type PatchType = 'application/json-patch+json' | 'application/merge-patch+json' | 'application/strategic-merge-patch+json' | 'application/apply-patch+yaml';

export interface PatchOptions extends WriteOptions {
  readonly type: PatchType;
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

/**
 * What every component speaks to the API server through, over any transport (in memory, gRPC, REST). Failures are
 * `StatusError`s, the server's own or, when it cannot be reached, 503 ServiceUnavailable.
 */
export interface ApiClient {
  get<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options?: ReadOptions): Promise<T>;
  list<T extends KubeObject>(resource: ResourceRef<T>, options?: ListOptions): Promise<ObjectList<T>>;
  watch<T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, sink: WatchSink<T>): WatchHandle;
  /** Namespace and name come from the object's metadata; a subresource (`pods/binding`, `serviceaccounts/token`) from options and `key`. */
  create<T extends KubeObject>(resource: ResourceRef<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Posts to a subresource of an existing object and returns what it answers: bindings, evictions, tokens. */
  createSubresource<R>(resource: ResourceRef, key: ObjectKey, subresource: string, body: unknown): Promise<R>;
  update<T extends KubeObject>(resource: ResourceRef<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, patch: unknown, options: PatchOptions): Promise<T>;
  /** Resolves to the object while it lingers (grace, finalizers), or undefined when it is gone. */
  delete<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options?: DeleteOptions): Promise<T | undefined>;
  deleteCollection(resource: ResourceRef, selection: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>, options?: DeleteOptions): Promise<void>;
  close(): Promise<void>;
}
