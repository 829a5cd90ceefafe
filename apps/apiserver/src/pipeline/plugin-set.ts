import type { KindDescriptor } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import type { ApiServerConfig } from '../config.ts';
import type { HealthCheck } from '../server.ts';
import type { EtcdStore } from '../storage/etcd-store.ts';
import type { AdmissionPlugin } from './admission.ts';
import type { Aggregation } from './aggregation.ts';
import type { Authenticator, Impersonator } from './authentication.ts';
import type { Authorizer } from './authorization.ts';
import type { ConnectHandler } from './connect.ts';
import type { FlowControl } from './flow-control.ts';
import type { ReviewHandler } from './virtual.ts';

/**
 * Synchronous reads of this replica's watch cache: what plug-ins decide by. May lag the store by a few milliseconds;
 * where that matters, read through `PluginContext.api`. Objects are shared: never change them.
 */
export interface ObjectReader {
  get<T extends KubeObject>(resource: ResourceRef<T>, key: { readonly namespace?: string; readonly name: string }): T | undefined;
  /** In key order; of one namespace or, without, of all. */
  list<T extends KubeObject>(resource: ResourceRef<T>, namespace?: string): readonly T[];
  /** Calls back after every change of the resource, in order; returns how to stop. `object` is undefined once deleted. */
  onChange<T extends KubeObject>(resource: ResourceRef<T>, listener: (change: { object: T | undefined; old: T | undefined }) => void): () => void;
}

/** All kinds served, built-in and (once established) custom. */
export interface KindLookup {
  get(group: string, version: string, resource: string): KindDescriptor | undefined;
  /** Also a built-in kind that is turned off: its objects stay, and the server itself goes on reading and writing them. */
  kept(group: string, version: string, resource: string): KindDescriptor | undefined;
  byKind(group: string, version: string, kind: string): KindDescriptor | undefined;
  all(): readonly KindDescriptor[];
}

/** What a plug-in may use. Handed to its factory once, before anything is started: do not read in the factory. */
export interface PluginContext {
  readonly env: Env;
  readonly config: ApiServerConfig;
  /** The pipeline in memory as `system:apiserver`: authorized for everything, admission applies. */
  readonly api: ApiClient;
  readonly read: ObjectReader;
  readonly kinds: KindLookup;
  /** Port of the REST API; the configured one until the server listens (bootstrap steps run after that). */
  readonly securePort: () => number;
  /** How to reach pod and service addresses; absent: from this machine. */
  readonly clusterNet?: Pick<NetStack, 'dial'>;
  /** The configured authorizers in order, as one question; for reviews, impersonation and admission. */
  readonly authorize: Authorizer['authorize'];
  /** The configured authenticators in order, for TokenReview. */
  readonly authenticate: Authenticator['authenticate'];
  /** The store below the pipeline, for what is no API object; keys begin with `root`. */
  readonly storage: { readonly store: EtcdStore; readonly root: string };
}

/** Public half of the service account token issuer. */
export interface IdentityDocuments {
  openidConfiguration(): object | Promise<object>;
  jwks(): object | Promise<object>;
}

/** Makes sure something exists (roles, namespaces, priority classes); runs on every start, after the caches, before ready. */
export interface BootstrapStep {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** What one plug-in module adds; every field is optional. Lists of several sets are concatenated in order. */
export interface PluginSet {
  readonly authenticators?: readonly Authenticator[];
  readonly impersonator?: Impersonator;
  /** May a request for this path come without credentials? Undefined: as `--anonymous-auth` says. The last set that has one decides. */
  readonly allowsAnonymous?: (path: string) => boolean | undefined;
  readonly flowControl?: FlowControl;
  readonly authorizers?: readonly Authorizer[];
  readonly admission?: readonly AdmissionPlugin[];
  readonly reviews?: readonly ReviewHandler[];
  readonly connect?: readonly ConnectHandler[];
  readonly identity?: IdentityDocuments;
  readonly aggregation?: Aggregation;
  readonly bootstrap?: readonly BootstrapStep[];
  /** Upstream's names of what `start` does: health checks (`poststarthook/NAME`) that are not finished before it has returned. */
  readonly startHooks?: readonly string[];
  /** Further health checks. */
  checks?(): readonly HealthCheck[];
  /** Started after the caches and stopped first: pollers, rebuilders of indexes. */
  start?(signal: AbortSignal): void | Promise<void>;
  /** First of all when the server stops, while everything still works; `signal` aborts when it takes too long. */
  stop?(signal: AbortSignal): Promise<void>;
}

export type PluginFactory = (context: PluginContext) => PluginSet;
