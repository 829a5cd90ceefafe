import type { Schema } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allKinds } from './kinds.ts';
import type { KindDescriptor } from './kind.ts';
import { schemaOf } from './schema/index.ts';
import { arbitraryObject } from './schema/testing/arbitrary.ts';

const context = { nowMs: Date.parse('2026-01-01T00:10:00Z'), namespace: 'default' };
const title = (kind: KindDescriptor): string => `${kind.group || 'core'}/${kind.version} ${kind.kind}`;
const kinds = allKinds.map((kind) => [title(kind), kind] as const);

describe('the list of kinds', () => {
  it('names each resource once, and each storage prefix once but for converted kinds', () => {
    const routes = allKinds.map((kind) => `${kind.group}/${kind.version}/${kind.resource}`);
    expect(new Set(routes).size).toBe(routes.length);
    const stored = allKinds.filter((kind) => kind.verbs.includes('get') && !kind.storedAs).map((kind) => kind.storagePrefix);
    expect(new Set(stored).size).toBe(stored.length);
  });

  it('keeps etcd keys where kube-apiserver has them', () => {
    const prefix = (resource: string): string | undefined => allKinds.find((kind) => kind.resource === resource)?.storagePrefix;
    expect(['pods', 'nodes', 'services', 'endpoints', 'replicationcontrollers', 'ingresses', 'deployments', 'leases', 'apiservices', 'customresourcedefinitions'].map(prefix)).toEqual([
      'pods', 'minions', 'services/specs', 'services/endpoints', 'controllers', 'ingress', 'deployments', 'leases', 'apiregistration.k8s.io/apiservices', 'apiextensions.k8s.io/customresourcedefinitions',
    ]);
  });

  it.each(kinds)('%s names what field selectors may ask', (_, kind) => {
    expect(Object.keys(kind.selectable({ metadata: {}, spec: {}, status: {} })).sort()).toEqual([...kind.selectableFields].sort());
  });
});

/** Every list and struct down to `depth`, without a single value in them: what clients may send all the same. */
function hollow(schema: Schema, depth: number): unknown {
  if (schema.type === 'list') return [hollow(schema.items, depth)];
  if (schema.type === 'map') return {};
  if (schema.type !== 'object' || depth === 0) return schema.type === 'object' ? {} : undefined;
  const fields = [...schema.fields.values()].filter(({ schema: inner }) => (inner.type === 'list' ? inner.items : inner).type === 'object');
  return Object.fromEntries(fields.filter(({ name }) => name !== 'metadata').map((field) => [field.name, hollow(field.schema, depth - 1)]));
}

describe.each(kinds)('%s', (_, kind) => {
  const make = (fields: object): never => structuredClone({ metadata: { name: 'x', namespace: 'default', uid: 'u' }, ...fields }) as never;

  const survives = (fields: object): void => {
    const object = make(fields);
    kind.defaults(object);
    kind.prepareForCreate(object, context);
    kind.validate(object);
    const next = make(fields);
    kind.defaults(next);
    kind.prepareForUpdate(next, object, context);
    kind.validateUpdate(next, object);
    const status = make(fields);
    kind.prepareForStatusUpdate(status, object, context);
    kind.validateStatusUpdate(status, object);
    kind.warnings(object, undefined);
    for (const column of kind.columns) expect(['string', 'number', 'boolean']).toContain(typeof column.cell(object, context));
    if (kind.storedAs) kind.storedAs.fromStorage(kind.storedAs.toStorage(object));
  };

  it.each([0, 1, 2, 3, 4, 5, 6, 7])('survives an object that is hollow to depth %d', (depth) => survives(hollow(schemaOf(kind.definition), depth) as object));

  it('survives whatever fits the schema', () => {
    fc.assert(fc.property(arbitraryObject(schemaOf(kind.definition)), ({ metadata: _metadata, ...fields }) => survives(fields)), { numRuns: 40, seed: 1 });
  });

  it('defaults once and for all, and counts no change where there is none', () => {
    const object = make({ spec: {} });
    kind.defaults(object);
    const once = structuredClone(object);
    kind.defaults(object);
    expect(object).toEqual(once);
    kind.prepareForCreate(object, context);
    const next = structuredClone(object);
    kind.prepareForUpdate(next, object, context);
    expect(next).toEqual(object);
  });
});
