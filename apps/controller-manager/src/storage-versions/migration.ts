import type { Condition, CustomResourceDefinition, CustomResourceDefinitionStatus, StoragemigrationV1beta1StorageVersionMigration as StorageVersionMigration } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';

type Status = NonNullable<StorageVersionMigration['status']>;

/** How a migration stands; `Running` is gone once one of the others is there. */
export type Stage = { readonly type: 'Running' } | { readonly type: 'Succeeded' } | { readonly type: 'Failed'; readonly why: string };

const isTrue = ({ status }: StorageVersionMigration, type: string): boolean => status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;

export const isRunning = (migration: StorageVersionMigration): boolean => isTrue(migration, 'Running');
export const isOver = (migration: StorageVersionMigration): boolean => isTrue(migration, 'Succeeded') || isTrue(migration, 'Failed');

/** `deployments.apps` */
export function resourceOf({ spec }: StorageVersionMigration): string {
  const { group, resource = '' } = spec?.resource ?? {};
  return group ? `${resource}.${group}` : resource;
}

/** Of the migrations of one resource only one runs: that which does already, else the oldest. */
export function whoseTurn(all: Iterable<StorageVersionMigration>, resource: string): StorageVersionMigration | undefined {
  const waiting = [...all].filter((one) => resourceOf(one) === resource && !isOver(one));
  const rank = ({ metadata }: StorageVersionMigration): string => `${metadata?.creationTimestamp ?? ''} ${metadata?.name ?? ''}`;
  return waiting.find(isRunning) ?? waiting.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
}

function conditionOf(stage: Stage): Pick<Condition, 'reason' | 'message'> {
  switch (stage.type) {
    case 'Running':
      return { reason: 'MigrationRunning', message: 'The migration is running' };
    case 'Succeeded':
      return { reason: 'StorageVersionMigrationSucceeded', message: '' };
    case 'Failed':
      return { reason: 'StorageVersionMigrationFailed', message: `migration encountered unhandled error: ${stage.why}` };
  }
}

/** The status at a stage. `resourceVersion` is that up to which objects are written anew; the first one stays. */
export function statusAt({ status }: StorageVersionMigration, stage: Stage, at: { readonly resourceVersion: string; readonly nowMs: number }): Status {
  const others = (status?.conditions ?? []).filter(({ type }) => type !== stage.type && type !== 'Running');
  const condition = { type: stage.type, status: 'True', lastTransitionTime: rfc3339(at.nowMs), ...conditionOf(stage) };
  return { resourceVersion: status?.resourceVersion || at.resourceVersion, conditions: [...others, condition] };
}

const migrating = 'StorageMigrating';

/**
 * A definition's status while its objects are migrated, and after. Once they are, the storage version is the only one stored, so that
 * others may leave the definition; unless its spec has changed meanwhile.
 */
export function definitionStatusAt(definition: CustomResourceDefinition, stage: Stage, by: { readonly migration: string; readonly nowMs: number }): CustomResourceDefinitionStatus {
  const { conditions = [], ...status } = definition.status ?? {};
  const generation = definition.metadata?.generation ?? 0;
  const isSame = conditions.some(({ type, observedGeneration }) => type === migrating && observedGeneration === generation);
  const stored = definition.spec?.versions?.find(({ storage }) => storage)?.name;
  const isSettled = stage.type === 'Succeeded' && isSame && stored !== undefined;
  const updated = isSettled ? ' and the stored versions have been updated' : ' but the stored versions have not been updated due to a generation mismatch';
  const message = { Running: `Migration ${by.migration} is running`, Succeeded: `The migration has succeeded${updated}`, Failed: 'The migration has failed' }[stage.type];
  const condition = { type: migrating, status: stage.type === 'Running' ? 'True' : 'False', lastTransitionTime: rfc3339(by.nowMs), reason: `Migration${stage.type}`, message, observedGeneration: generation };
  return { ...status, ...(isSettled ? { storedVersions: [stored] } : {}), conditions: [...conditions.filter(({ type }) => type !== migrating), condition] };
}
