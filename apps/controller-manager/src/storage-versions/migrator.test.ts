import { ConfigMaps, CustomResourceDefinitions, StorageVersionMigrations } from '@orrery/api';
import type { CustomResourceDefinition, StoragemigrationV1beta1StorageVersionMigration as StorageVersionMigration } from '@orrery/api/types';
import { type StatusError, conflict, forbidden, serviceUnavailable } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { describe, expect, it, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { definitionStatusAt, whoseTurn } from './migration.ts';

const subject = { group: '', resource: 'configmaps', name: 'b' };
const start = (): Promise<Harness> => startManager({ controllers: ['storage-version-migrator-controller'], featureGates: ['StorageVersionMigrator=true'] });
const migration = (name: string, resource = 'configmaps', group = ''): StorageVersionMigration => ({ metadata: { name, creationTimestamp: rfc3339(0) }, spec: { resource: { group, resource } } });
const stages = ({ api }: Harness, name: string): string[] => (api.find(StorageVersionMigrations, name)?.status?.conditions ?? []).map(({ type, status, reason, message }) => `${type}=${status} ${reason} ${message ?? ''}`.trim());

/** Names of the objects that were applied to. */
function watched(h: Harness, answer: (name: string) => StatusError | undefined = () => undefined): string[] {
  const applied: string[] = [];
  h.api.setFault(({ verb, resource, name = '' }) => {
    if (verb !== 'patch' || resource.resource !== 'configmaps') return undefined;
    applied.push(name);
    return answer(name);
  });
  for (const name of ['a', 'b', 'c']) h.api.seed(ConfigMaps, { metadata: { namespace: 'x', name } });
  return applied;
}

it.each<[string, StatusError | undefined, string]>([
  ['writes every object anew', undefined, 'Succeeded=True StorageVersionMigrationSucceeded'],
  ['leaves what has changed meanwhile', conflict(subject, 'changed'), 'Succeeded=True StorageVersionMigrationSucceeded'],
  ['fails with what is refused', forbidden(subject, 'no'), 'Failed=True StorageVersionMigrationFailed migration encountered unhandled error: configmaps "b" is forbidden: no'],
])('%s', async (_what, error, stage) => {
  const h = await start();
  const applied = watched(h, (name) => (name === 'b' ? error : undefined));
  await h.api.create(StorageVersionMigrations, migration('m'));
  await h.clock.advance(1000);
  expect([stages(h, 'm'), applied]).toEqual([[stage], stage.startsWith('Failed') ? ['a', 'b'] : ['a', 'b', 'c']]);
});

test('goes on where a server was away, and only with what was not written since', async () => {
  const h = await start();
  let isAway = true;
  const applied = watched(h, (name) => (name === 'b' && isAway ? serviceUnavailable('away') : undefined));
  await h.api.create(StorageVersionMigrations, migration('m'));
  await h.clock.advance(1);
  expect(stages(h, 'm')).toEqual(['Running=True MigrationRunning The migration is running']);
  await h.api.patch(ConfigMaps, { namespace: 'x', name: 'c' }, { data: { k: 'v' } }, { type: 'application/merge-patch+json' });
  isAway = false;
  applied.length = 0;
  await h.clock.advance(5000);
  expect([stages(h, 'm'), applied.includes('b'), applied.includes('c')]).toEqual([['Succeeded=True StorageVersionMigrationSucceeded'], true, false]);
});

test('a resource that nobody serves is waited for, not for ever; the next of its migrations has its turn', async () => {
  const h = await start();
  await h.api.create(StorageVersionMigrations, migration('one', 'things', 'x.example.com'));
  await h.api.create(StorageVersionMigrations, migration('two', 'things', 'x.example.com'));
  await h.clock.advance(30_000);
  expect([stages(h, 'one'), stages(h, 'two')]).toEqual([[], []]);
  await h.clock.advance(60_000);
  const failed = ['Failed=True StorageVersionMigrationFailed migration encountered unhandled error: resource does not exist in discovery'];
  expect([stages(h, 'one'), stages(h, 'two')]).toEqual([failed, failed]);
});

const version = (name: string, storage: boolean) => ({ name, served: true, storage });
const definition = (conditions: object[] = []): CustomResourceDefinition => ({
  metadata: { name: 'things.x.example.com', generation: 3 },
  spec: { group: 'x.example.com', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [version('v1', false), version('v2', true)] },
  status: { storedVersions: ['v1', 'v2'], conditions: [{ type: 'Established', status: 'True' }, ...conditions] },
} as CustomResourceDefinition);

test('a definition has one stored version left after its migration', async () => {
  const h = await start();
  h.api.seed(CustomResourceDefinitions, definition());
  await h.api.create(StorageVersionMigrations, migration('m', 'things', 'x.example.com'));
  await h.clock.advance(1000);
  expect(stages(h, 'm')).toEqual(['Succeeded=True StorageVersionMigrationSucceeded']);
  const { status } = h.api.find(CustomResourceDefinitions, 'things.x.example.com') ?? {};
  expect([status?.storedVersions, status?.conditions?.map(({ type, status: is, reason }) => `${type}=${is} ${reason ?? ''}`)]).toEqual([['v2'], ['Established=True ', 'StorageMigrating=False MigrationSucceeded']]);
});

describe('what a definition says', () => {
  const by = { migration: 'm', nowMs: 0 };
  const begun = (observedGeneration: number) => definition([{ type: 'StorageMigrating', status: 'True', observedGeneration }]);
  it.each([
    [3, { type: 'Succeeded' }, ['v2'], 'The migration has succeeded and the stored versions have been updated'],
    [2, { type: 'Succeeded' }, ['v1', 'v2'], 'The migration has succeeded but the stored versions have not been updated due to a generation mismatch'],
    [3, { type: 'Failed', why: 'x' }, ['v1', 'v2'], 'The migration has failed'],
    [3, { type: 'Running' }, ['v1', 'v2'], 'Migration m is running'],
  ] as const)('begun at generation %i, then %j: stored %j', (generation, stage, stored, message) => {
    const status = definitionStatusAt(begun(generation), stage, by);
    expect([status.storedVersions, status.conditions?.at(-1)?.message]).toEqual([stored, message]);
  });
});

test('of several the running one has its turn, else the oldest', () => {
  const aged = (name: string, atMs: number, ...types: string[]): StorageVersionMigration => ({ ...migration(name), metadata: { name, creationTimestamp: rfc3339(atMs) }, status: { conditions: types.map((type) => ({ type, status: 'True', reason: '', message: '', lastTransitionTime: '' })) } });
  const turn = (...all: StorageVersionMigration[]) => whoseTurn(all, 'configmaps')?.metadata?.name;
  expect([turn(aged('b', 5000), aged('a', 9000)), turn(aged('b', 5000), aged('a', 9000, 'Running')), turn(aged('b', 5000, 'Succeeded'), aged('a', 9000)), turn(aged('b', 5000, 'Failed'))]).toEqual(['b', 'a', 'a', undefined]);
});
