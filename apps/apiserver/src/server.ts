import type { HealthMetrics } from '@orrery/runtime';
import type { Traffic } from './http/traffic.ts';
import type { Limits } from './limits.ts';
import type { Access } from './pipeline/access.ts';
import type { Aggregation } from './pipeline/aggregation.ts';
import type { ConnectHandler } from './pipeline/connect.ts';
import type { Auditor } from './pipeline/audit.ts';
import type { FlowControl } from './pipeline/flow-control.ts';
import type { IdentityDocuments } from './pipeline/plugin-set.ts';
import type { Kinds } from './registry/kinds.ts';
import type { Registry } from './registry/registry.ts';

/** What every front end (REST, gRPC, in memory) serves from. */
export interface ApiServerCore {
  readonly registry: Registry;
  readonly kinds: Kinds;
  readonly access: Access;
  readonly flowControl: FlowControl | undefined;
  readonly connect: readonly ConnectHandler[];
  readonly identity: IdentityDocuments | undefined;
  readonly aggregation: Aggregation | undefined;
  /** Undefined: nothing is audited. */
  readonly audit: Auditor | undefined;
  /** Milliseconds since the epoch. */
  readonly startedMs: number;
  readonly limits: Limits;
  /** What is under way on the REST front end. */
  readonly traffic: Traffic;
  readonly healthMetrics: HealthMetrics;
  /** Run before metrics are scraped: what has to be asked for. They do not fail, and answer soon. */
  readonly collectors: readonly (() => Promise<void>)[];
  /** Named checks of /readyz and /livez; a failing one says why. */
  readonly checks: () => readonly HealthCheck[];
}

export interface HealthCheck {
  readonly name: string;
  /** Undefined: fine. */
  readonly failure: string | undefined;
  /** Where what fails now may be well in a moment: how it is then. */
  readonly later?: () => Promise<string | undefined>;
  /** Counts for /readyz only: a server that is not ready yet is still alive. */
  readonly readinessOnly: boolean;
}
