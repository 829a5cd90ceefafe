import { CustomResourceDefinitions, type KindDescriptor } from '@orrery/api';
import type { CustomResourceDefinition } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { systemUser } from '../pipeline/request-info.ts';
import { resourceInfo } from '../pipeline/resource-info.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { list } from '../registry/list.ts';
import type { Registry } from '../registry/registry.ts';
import { conditionOf, withCondition } from './names.ts';

/** Holds a definition until its instances are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export const awaitsCleanup = (definition: CustomResourceDefinition): boolean =>
  definition.metadata?.deletionTimestamp !== undefined && (definition.metadata.finalizers ?? []).includes(cleanupFinalizer);

interface Cleanup {
  readonly registry: Registry;
  readonly api: ApiClient;
  /** The kind in which the instances are stored. */
  readonly kind: KindDescriptor | undefined;
}

const progress = { type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress', message: 'CustomResource deletion is in progress' };
const removed = { type: 'Terminating', status: 'False', reason: 'InstanceDeletionCompleted', message: 'removed all instances' };
const never = { type: 'Terminating', status: 'False', reason: 'NeverEstablished', message: 'resource was never established' };

async function report({ registry, api }: Cleanup, definition: CustomResourceDefinition, facts: typeof progress): Promise<CustomResourceDefinition> {
  const current = conditionOf(definition, 'Terminating');
  if (current?.status === facts.status && current.reason === facts.reason) return definition;
  const conditions = withCondition(definition.status?.conditions ?? [], facts, registry.env.clock.now());
  const status = { ...definition.status, conditions } as CustomResourceDefinition['status'];
  return api.update(CustomResourceDefinitions, { ...definition, status } as CustomResourceDefinition, { subresource: 'status' });
}

const failed = (message: string): typeof progress => ({ type: 'Terminating', status: 'True', reason: 'InstanceDeletionFailed', message });

/** Deletes every instance. Resolves to what stands in the way, undefined: they wait for their finalizers; or to true when none is left. */
async function deleteInstances({ registry, kind }: Cleanup): Promise<true | typeof progress | undefined> {
  if (!kind) return true;
  const { group, version, resource } = kind;
  const info = resourceInfo({ group, version, resource, verb: 'deletecollection' }, kind.namespaced);
  const scope = { user: systemUser, info, kind, warn: () => undefined, annotate: () => undefined };
  try {
    await list(registry, scope, {});
  } catch (error) {
    return failed(`could not list instances: ${(error as Error).message}`);
  }
  try {
    await deleteCollection(registry, scope, { list: {}, options: { dryRun: false, fieldManager: '', raw: {} } });
  } catch (error) {
    return failed(`could not issue all deletes: ${(error as Error).message}`);
  }
  await registry.feed.waitForCurrent();
  return registry.feed.cache(kind).size === 0 ? true : undefined;
}

/** One step of the deletion of a definition: its instances first, then the finalizer. False: come back. */
export async function cleanUp(cleanup: Cleanup, definition: CustomResourceDefinition): Promise<boolean> {
  const wasServed = conditionOf(definition, 'Established')?.status === 'True';
  const isRetried = conditionOf(definition, 'Terminating')?.reason === 'InstanceDeletionFailed';
  const marked = wasServed && !isRetried ? await report(cleanup, definition, progress) : definition;
  const outcome = wasServed ? await deleteInstances(cleanup) : true;
  if (outcome !== true) {
    if (outcome) await report(cleanup, marked, outcome);
    return false;
  }
  const done = await report(cleanup, marked, wasServed ? removed : never);
  const finalizers = (done.metadata?.finalizers ?? []).filter((name) => name !== cleanupFinalizer);
  await cleanup.api.update(CustomResourceDefinitions, { ...done, metadata: { ...done.metadata, finalizers } } as CustomResourceDefinition);
  return true;
}
