import type { ApiFaults } from '@orrery/chaos';
import type { KindDescriptor } from '@orrery/api';
import type { Env } from '@orrery/runtime';
import type { OwnWrites } from '../cache/own-writes.ts';
import type { StoreFeed } from '../cache/store-feed.ts';
import type { ApiServerConfig } from '../config.ts';
import type { RegistryMeters } from '../metrics/registry-meters.ts';
import type { AdmissionPlugin } from '../pipeline/admission.ts';
import type { AuditTrail } from '../pipeline/audit.ts';
import type { KindLookup } from '../pipeline/plugin-set.ts';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import type { ReviewHandler } from '../pipeline/virtual.ts';
import type { EtcdStore } from '../storage/etcd-store.ts';
import type { PageSnapshots } from './page-snapshots.ts';
import type { StorageHook } from './storage-hook.ts';

/** What the verbs work on. One an API server. */
export interface Registry {
  readonly env: Env;
  readonly config: ApiServerConfig;
  readonly store: EtcdStore;
  readonly feed: StoreFeed;
  readonly ownWrites: OwnWrites;
  readonly root: string;
  readonly kinds: KindLookup;
  readonly snapshots: PageSnapshots;
  readonly admission: readonly AdmissionPlugin[];
  readonly reviews: readonly ReviewHandler[];
  readonly hooks: readonly StorageHook[];
  readonly meters: RegistryMeters;
  /** Faults that befall requests on purpose; none unless asked for. */
  readonly faults: ApiFaults;
}

/** One authorized request on its way through a verb. */
export interface RequestScope {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly kind: KindDescriptor;
  /** Throws 403 unless the sender may also create: a PUT or an apply of what is not there does. */
  readonly checkCreate?: () => Promise<void>;
  /** Adds a Warning header; doubles are dropped. */
  warn(text: string): void;
  /** Nobody hears what is warned of, so it need not be found. */
  readonly isDeaf?: boolean;
  /** Adds to the audit record. */
  annotate(key: string, value: string): void;
  /** Where the bodies of the request are recorded; undefined: it is not audited. */
  readonly audit?: AuditTrail | undefined;
  readonly signal?: AbortSignal;
  /** Nobody waits for the answer any more: what is not stored yet need not be. Costs less to ask than `signal`. */
  readonly isCancelled?: boolean;
}

/** Options of writes, from the query or the options object. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  /** Options as sent, for admission. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What error messages call the object of a request. */
export function subjectOf(scope: Pick<RequestScope, 'info'>, name = scope.info.name): { group: string; resource: string; name: string } {
  return { group: scope.info.group, resource: scope.info.resource, name };
}
