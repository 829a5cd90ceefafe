import type { ObjectSchema } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';

/** Any object as JSON; kinds narrow it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Time and chance for defaults and strategies. */
export interface StrategyContext {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly namespace: string;
  /** Whether a feature gate is on; absent: those are that are on by default, and nobody asks about others. */
  readonly isFeatureOn?: (gate: 'MaxUnavailableStatefulSet') => boolean;
}

/** A printer column, as upstream's printers define them. */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description?: string;
  /** 0 always shown, 1 with `-o wide`. */
  readonly priority: number;
  readonly cell: (object: T, context: { readonly nowMs: number }) => string | number | bigint | boolean | null;
}

/** Where a `/scale` subresource finds its numbers (JSON paths without the leading dot). */
export interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  /** The selector: a label selector object or map at this path, serialised into Scale.status.selector. */
  readonly selector?: string;
}

/** A subresource besides status and scale. */
export interface Subresource<T = any> {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
  /** Of an update through a subresource that takes the whole object (pods/resize, namespaces/finalize …): restores what it may not change. */
  readonly prepareForUpdate?: (object: T, old: T, context: StrategyContext) => void;
  readonly validateUpdate?: (object: T, old: T) => FieldError[];
}

/**
 * Conversion that others do (the webhook of a custom resource), so it takes time and may fail: a StatusError 500 for all that
 * were asked about together.
 */
export interface Conversion<T = any> {
  /** False: the stored object is at this version, and `storedAs.fromStorage` will do. */
  needed(stored: any): boolean;
  /** In the order of `stored`. */
  fromStorage(stored: readonly any[]): Promise<T[]>;
  toStorage(object: T): Promise<any>;
}

/**
 * One kind of object at one version: the single place that says everything about it. Routes, discovery, OpenAPI, RBAC
 * verbs, metrics and columns derive from it; custom resources build the same descriptor at run time.
 * Functions may change the draft they are handed; `old` is never changed.
 */
export interface KindDescriptor<T = any> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  /** Plural resource name. */
  readonly resource: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Name of the schema definition, e.g. `io.k8s.api.apps.v1.Deployment`. */
  readonly definition: string;
  /** Of custom resources, whose schema is not in the table: takes the place of `definition`. */
  readonly schema?: ObjectSchema;
  /** Of custom resources: their `openAPIV3Schema`, for OpenAPI. */
  readonly customSchema?: { [key: string]: unknown };
  /** Verbs served, e.g. create, delete, deletecollection, get, list, patch, update, watch. Reviews serve only create. */
  readonly verbs: readonly string[];
  /** Key under `/registry/` without namespace and name, e.g. `pods`, `services/specs`, `apiregistration.k8s.io/apiservices`. */
  readonly storagePrefix: string;
  /** Same storage as another resource at another group or version, e.g. core events and events.k8s.io; with conversion of objects. */
  readonly storedAs?: { readonly group: string; readonly version: string; toStorage(object: T): any; fromStorage(object: any): T; readonly conversion?: Conversion<T> };
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  /** Further subresources and their verbs, e.g. { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] }. */
  readonly subresources: readonly Subresource<T>[];
  /** Fields that `fieldSelector` may name besides metadata.name and metadata.namespace, and their values. */
  readonly selectable: (object: T) => Readonly<Record<string, string>>;
  readonly selectableFields: readonly string[];
  /** Fills in what the client left out. Called on create, update and on every read of stored objects is not needed. */
  readonly defaults: (object: T) => void;
  /** Clears what clients may not set (status …), sets generation and the like. The caller has set name, namespace, uid and creationTimestamp. */
  readonly prepareForCreate: (object: T, context: StrategyContext) => void;
  /** Of an update to the main resource: keeps status, bumps generation where spec changed. */
  readonly prepareForUpdate: (object: T, old: T, context: StrategyContext) => void;
  /** Of an update to /status: keeps everything but status (and what upstream lets through). */
  readonly prepareForStatusUpdate: (object: T, old: T, context: StrategyContext) => void;
  /** Why nobody may delete the object of this name, if so. Upstream asks of single objects only: deleting a collection takes all. */
  readonly refusesDelete?: (name: string) => string | undefined;
  /** Of the first deletion of an object: may add finalizers that hold it. */
  readonly prepareForDelete?: (object: T, context: StrategyContext) => void;
  /** Object metadata is validated by the caller; this is the rest, in upstream's order and words. */
  readonly validate: (object: T) => FieldError[];
  readonly validateUpdate: (object: T, old: T) => FieldError[];
  readonly validateStatusUpdate: (object: T, old: T) => FieldError[];
  /** How metadata.name is checked. */
  readonly nameRule: 'dns1123Subdomain' | 'dns1123Label' | 'dns1035Label' | 'pathSegment';
  /** May PUT create the object? (upstream's AllowCreateOnUpdate) */
  readonly createOnUpdate: boolean;
  /** May PUT omit resourceVersion? (upstream's AllowUnconditionalUpdate) */
  readonly unconditionalUpdate: boolean;
  /** Grace period a delete gets when the client names none; 0 for all but pods (and those only once bound). */
  readonly gracePeriodSeconds: (object: T, requested: number | undefined) => number;
  readonly columns: readonly Column<T>[];
  /** Told with a Warning header to whoever reads or writes the kind over HTTP. */
  readonly deprecation?: string;
  /** Upstream's warnings (deprecated fields and the like) for a Warning header. */
  readonly warnings: (object: T, old: T | undefined) => string[];
  /** Default propagation of DELETE when none is asked: orphan for v1 batch jobs, background for the rest. */
  readonly defaultPropagation: 'Background' | 'Orphan';
}
