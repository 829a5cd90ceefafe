import { CustomResourceDefinitions, StorageVersionMigrations } from '@orrery/api';
import type { StoragemigrationV1beta1StorageVersionMigration as StorageVersionMigration } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { StatusError, isConflict, isNotFound } from '@orrery/errors';
import { allResources } from '../resources/catalog.ts';
import { type Stage, definitionStatusAt, isOver, isRunning, resourceOf, statusAt, whoseTurn } from './migration.ts';

const name = 'storage-version-migrator-controller';
/** Objects of one list. */
const pageSize = 500;
/** A resource may be younger than what is known of resources. */
const patienceMs = 60_000;
const pollMs = 5_000;

type Context = ControllerContext;

function targetOf(migration: StorageVersionMigration, { store }: Context): ResourceRef | undefined {
  const { group = '', resource } = migration.spec?.resource ?? {};
  return allResources(store(CustomResourceDefinitions).list()).find((ref) => ref.group === group && ref.resource === resource);
}

/** Where the list of a resource stands; undefined: nobody serves it. */
async function revisionOf(api: ApiClient, target: ResourceRef | undefined): Promise<string | undefined> {
  if (!target) return undefined;
  try {
    return (await api.list(target, { limit: 1 })).resourceVersion;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** May the same be tried again? */
const passes = ({ code }: StatusError): boolean => code === 429 || code >= 500;

/**
 * Applies nothing to an object, which makes the server write it anew if it is stored in another way than it would be now. Its uid and
 * revision make that a conflict if it was written, deleted or made anew meanwhile: then there is nothing to do.
 */
async function rewrite(api: ApiClient, target: ResourceRef, { metadata = {} }: KubeObject): Promise<void> {
  const { namespace, name: object = '', uid, resourceVersion } = metadata;
  const patch = { apiVersion: target.group ? `${target.group}/${target.version}` : target.version, kind: target.kind, metadata: { uid, resourceVersion } };
  try {
    await api.patch(target, { ...(namespace ? { namespace } : {}), name: object }, patch, { type: 'application/apply-patch+yaml', fieldManager: name });
  } catch (error) {
    // Not found is what has gone together with its namespace.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}

/** Writes all objects anew that were last written at the checkpoint or before. Resolves with why it cannot be done; throws what may be tried again. */
async function rewriteAll(api: ApiClient, target: ResourceRef, checkpoint: string): Promise<string | undefined> {
  let after: string | undefined;
  do {
    const page = await api.list(target, { limit: pageSize, ...(after ? { continue: after } : {}) });
    for (const object of page.items) {
      if (BigInt(object.metadata?.resourceVersion ?? 0) > BigInt(checkpoint)) continue;
      try {
        await rewrite(api, target, object);
      } catch (error) {
        if (!(error instanceof StatusError) || passes(error)) throw error;
        return error.message;
      }
    }
    after = page.continue;
  } while (after);
  return undefined;
}

async function tellDefinition(migration: StorageVersionMigration, stage: Stage, { api, env }: Context): Promise<void> {
  try {
    const definition = await api.get(CustomResourceDefinitions, { name: resourceOf(migration) });
    const status = definitionStatusAt(definition, stage, { migration: migration.metadata?.name ?? '', nowMs: env.clock.now() });
    await api.update(CustomResourceDefinitions, { ...definition, status }, { subresource: 'status' });
  } catch (error) {
    // Most resources are built in.
    if (!isNotFound(error)) throw error;
  }
}

/** Tells the definition first: whoever sees that a migration is over may rely on what it says. */
async function enter(migration: StorageVersionMigration, stage: Stage, { context, resourceVersion }: { readonly context: Context; readonly resourceVersion: string }): Promise<StorageVersionMigration> {
  await tellDefinition(migration, stage, context);
  const { api, env } = context;
  return api.update(StorageVersionMigrations, { ...migration, status: statusAt(migration, stage, { resourceVersion, nowMs: env.clock.now() }) }, { subresource: 'status' });
}

/** Has the objects of a resource written anew, in the version and with the encryption of today. Upstream has it behind the gate StorageVersionMigrator. */
export const storageVersionMigrator = defineController<StorageVersionMigration>({
  name,
  queue: name,
  account: 'storage-version-migrator',
  for: StorageVersionMigrations,
  needs: StorageVersionMigrations,
  watches: [
    // The end of one lets the next of its resource begin.
    watch(StorageVersionMigrations, ({ object }, { store }) => {
      const next = whoseTurn(store(StorageVersionMigrations).list(), resourceOf(object));
      return next ? [next.metadata?.name ?? ''] : [];
    }),
  ],
  setup(context) {
    context.store(CustomResourceDefinitions);
  },
  async reconcile(key, context) {
    const { api, env, store } = context;
    const migration = store(StorageVersionMigrations).get(key);
    if (!migration || isOver(migration) || whoseTurn(store(StorageVersionMigrations).list(), resourceOf(migration)) !== migration) return undefined;
    const target = targetOf(migration, context);
    const revision = await revisionOf(api, target);
    if (!target || revision === undefined) {
      const { creationTimestamp = '', resourceVersion = '' } = migration.metadata ?? {};
      if (Date.parse(creationTimestamp) + patienceMs > env.clock.now()) return { requeueAfterMs: pollMs };
      await enter(migration, { type: 'Failed', why: 'resource does not exist in discovery' }, { context, resourceVersion });
      return undefined;
    }
    const running = isRunning(migration) ? migration : await enter(migration, { type: 'Running' }, { context, resourceVersion: revision });
    const checkpoint = running.status?.resourceVersion ?? revision;
    const why = await rewriteAll(api, target, checkpoint);
    await enter(running, why === undefined ? { type: 'Succeeded' } : { type: 'Failed', why }, { context, resourceVersion: checkpoint });
    env.log.info('storage versions migrated', { migration: key, resource: resourceOf(migration), ...(why === undefined ? {} : { failed: why }) });
    return undefined;
  },
});
