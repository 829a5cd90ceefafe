import { applyConflictError, type ApplyOptions, applyPatch, compareObjects, decodeFieldSet, deepFreeze, encodeFieldSet, toFieldSet, trackUpdate, type ManagedFieldsEntry } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemaOf } from './lookup.ts';
import { arbitraryObject } from './testing/arbitrary.ts';

const schema = schemaOf('io.k8s.api.apps.v1.Deployment');
const type = { apiVersion: 'apps/v1', kind: 'Deployment' };
const t1 = '2026-01-01T00:00:01Z';
const t2 = '2026-01-01T00:00:02Z';

type Json = Record<string, unknown>;

function apply(live: unknown, applied: Json, options: Partial<ApplyOptions> = {}): { object: Json } | { conflicts: readonly { manager: string; field: string }[] } {
  return applyPatch({ live: deepFreeze(live), applied: deepFreeze({ ...type, ...applied }), manager: 'me', force: false, schema, apiVersion: 'apps/v1', kind: 'Deployment', nowIso: t1, ...options });
}

function applied(live: unknown, patch: Json, options: Partial<ApplyOptions> = {}): Json {
  const result = apply(live, patch, options);
  if ('conflicts' in result) throw new Error(JSON.stringify(result.conflicts));
  return result.object;
}

const entries = (object: Json): ManagedFieldsEntry[] => (object['metadata'] as { managedFields: ManagedFieldsEntry[] }).managedFields;
const spec = (object: Json): Json => object['spec'] as Json;
const meta = { metadata: { name: 'a', namespace: 'n' } };
const track = (before: unknown, after: Json, manager = 'kubectl-edit', nowIso = t1, subresource = ''): Json => trackUpdate({ before: deepFreeze(before), after: deepFreeze(after), manager, schema, apiVersion: 'apps/v1', nowIso, subresource });

describe('field sets', () => {
  it('name fields, keys, members and items', () => {
    const object = { ...type, metadata: { name: 'a', labels: { x: '1' }, finalizers: ['f'] }, spec: { replicas: 1, selector: { matchLabels: { x: '1' } }, strategy: {}, template: { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80 }] }], tolerations: [{ key: 'k' }] } } } };
    expect(encodeFieldSet(toFieldSet(object, schema))).toEqual({
      'f:apiVersion': {}, 'f:kind': {},
      'f:metadata': { 'f:name': {}, 'f:labels': { 'f:x': {} }, 'f:finalizers': { 'v:"f"': {} } },
      'f:spec': { 'f:replicas': {}, 'f:selector': {}, 'f:strategy': {}, 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } } } }, 'f:tolerations': {} } } },
    });
  });

  it('of what is new say the same as a comparison member by member, in the order of storage', () => {
    fc.assert(
      fc.property(arbitraryObject(schema), fc.constantFrom({}, { spec: { template: {}, strategy: null, selector: { matchLabels: {} } } }, { metadata: { labels: {}, annotations: undefined } }), (object, more) => {
        const added = { ...object, ...more };
        const { gained: whole, removed } = compareObjects({}, added, schema);
        // A member without a value is none, but makes every member be looked up.
        const general = compareObjects({ none: undefined }, added, schema);
        expect(JSON.stringify(whole)).toBe(JSON.stringify(encodeFieldSet(general.gained)));
        expect(removed).toEqual({});
      }),
      { numRuns: 300 },
    );
  });

  it('round trip', () => {
    fc.assert(
      fc.property(arbitraryObject(schema), (object) => {
        const json = encodeFieldSet(toFieldSet(object, schema));
        expect(encodeFieldSet(decodeFieldSet(json) ?? {})).toEqual(json);
      }),
      { numRuns: 50 },
    );
  });
});

describe('updates', () => {
  it('own what they create, and take over what they change', () => {
    const created = track(undefined, { ...type, metadata: { name: 'a', labels: { x: '1' } }, spec: { replicas: 1 } }, 'kubectl-create');
    expect(entries(created)).toEqual([{ manager: 'kubectl-create', operation: 'Update', apiVersion: 'apps/v1', time: t1, fieldsType: 'FieldsV1', fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } }, 'f:spec': { 'f:replicas': {} } } }]);
    const scaled = track(created, { ...created, spec: { replicas: 2, paused: true } }, 'kubectl-edit', t2);
    expect(entries(scaled).map((entry) => [entry.manager, entry.time, entry.fieldsV1])).toEqual([
      ['kubectl-create', t1, { 'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } } }],
      ['kubectl-edit', t2, { 'f:spec': { 'f:paused': {}, 'f:replicas': {} } }],
    ]);
  });

  it('leave entries alone where nothing changed, and drop those of removed fields', () => {
    const created = track(undefined, { ...type, ...meta, spec: { replicas: 1, paused: true } });
    expect(track(created, { ...created, metadata: { ...meta.metadata, resourceVersion: '5' } }, 'other', t2)).toEqual({ ...created, metadata: { ...meta.metadata, resourceVersion: '5', managedFields: entries(created) } });
    const less = track(created, { ...created, spec: { replicas: 1 } }, 'other', t2);
    expect(entries(less).map((entry) => entry.fieldsV1)).toEqual([{ 'f:spec': { 'f:replicas': {} } }]);
  });

  it('remember the subresource, and let clients reset', () => {
    const created = track(undefined, { ...type, ...meta, spec: { replicas: 1 } });
    const status = track(created, { ...created, status: { replicas: 1 } }, 'kcm', t2, 'status');
    expect(entries(status)[1]).toMatchObject({ manager: 'kcm', subresource: 'status', fieldsV1: { 'f:status': { 'f:replicas': {} } } });
    const reset = track(status, { ...status, metadata: { ...meta.metadata, managedFields: [{}] } }, 'me', t2);
    expect((reset['metadata'] as Json)['managedFields']).toBeUndefined();
  });

  it('fold the oldest updaters', () => {
    let object: Json = { ...type, ...meta };
    for (let i = 0; i < 15; i++) object = track(object, { ...object, metadata: { ...(object['metadata'] as Json), labels: { ...((object['metadata'] as Json)['labels'] as Json), [`l${i}`]: '1' } } }, `m${i}`, `2026-01-01T00:00:${String(i + 10)}Z`);
    expect(entries(object)).toHaveLength(10);
    expect(entries(object)[0]?.manager).toBe('ancient-changes');
  });
});

describe('server-side apply', () => {
  const base = { ...meta, spec: { replicas: 3, template: { spec: { containers: [{ name: 'a', image: 'x' }] } } } };

  it('creates, and is idempotent', () => {
    const created = applied(undefined, base);
    expect(created).toMatchObject({ ...type, ...base });
    expect(entries(created)).toEqual([{ manager: 'me', operation: 'Apply', apiVersion: 'apps/v1', time: t1, fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': { 'f:replicas': {}, 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } } } } }]);
    expect(applied(created, base, { nowIso: t2 })).toBe(created);
  });

  it('removes what is no longer applied, and keeps what others own', () => {
    const created = applied(undefined, { ...meta, spec: { replicas: 3, paused: true, template: { spec: { containers: [{ name: 'a', image: 'x' }, { name: 'b', image: 'y' }], nodeSelector: { x: 'y' } } } } });
    const edited = track(created, { ...created, spec: { ...spec(created), minReadySeconds: 5, template: { spec: { ...((spec(created)['template'] as Json)['spec'] as Json), hostNetwork: true } } } }, 'other', t2);
    const less = applied(edited, { ...meta, spec: { replicas: 3, template: { spec: { containers: [{ name: 'a', image: 'x' }] } } } }, { nowIso: t2 });
    expect(spec(less)).toEqual({ replicas: 3, minReadySeconds: 5, template: { spec: { containers: [{ name: 'a', image: 'x' }], hostNetwork: true } } });
    const none = applied(less, meta, { nowIso: t2 });
    expect(spec(none)).toEqual({ minReadySeconds: 5, template: { spec: { hostNetwork: true } } });
  });

  it('conflicts with other owners, unless it agrees or is forced', () => {
    const live = track(undefined, { ...type, ...base }, 'kubectl-edit');
    const result = apply(live, { ...meta, spec: { replicas: 4, template: { spec: { containers: [{ name: 'a', image: 'z' }] } } } });
    expect(result).toEqual({ conflicts: [{ manager: '"kubectl-edit" using apps/v1', field: '.spec.replicas' }, { manager: '"kubectl-edit" using apps/v1', field: '.spec.template.spec.containers[name="a"].image' }] });
    expect(entries(applied(live, base)).map((entry) => entry.manager)).toEqual(['me', 'kubectl-edit']);
    const forced = applied(live, { ...meta, spec: { replicas: 4 } }, { force: true });
    expect(spec(forced)['replicas']).toBe(4);
    expect(JSON.stringify(entries(forced)[1]?.fieldsV1)).not.toContain('replicas');
  });

  it('words conflicts as upstream does', () => {
    const one = applyConflictError([{ manager: '"kubectl-edit" using apps/v1', field: '.spec.replicas' }]);
    expect(one.message).toBe('Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas');
    expect(one.status.details?.causes).toEqual([{ reason: 'FieldManagerConflict', message: 'conflict with "kubectl-edit" using apps/v1', field: '.spec.replicas' }]);
    expect(applyConflictError([{ manager: '"a"', field: '.x' }, { manager: '"a"', field: '.y' }, { manager: '"b"', field: '.z' }]).message).toBe('Apply failed with 3 conflicts: conflicts with "a":\n- .x\n- .y\nconflicts with "b":\n- .z');
  });

  it('takes over objects without owners as before-first-apply', () => {
    const live = { ...type, ...base };
    expect(apply(live, { ...meta, spec: { replicas: 5 } })).toEqual({ conflicts: [{ manager: '"before-first-apply" using apps/v1', field: '.spec.replicas' }] });
    expect(entries(applied(live, { ...meta, spec: { replicas: 3 } })).map((entry) => entry.manager)).toEqual(['me', 'before-first-apply']);
  });

  it('lets kubectl take over what client-side apply set', () => {
    const record = JSON.stringify({ ...type, ...base });
    const live = track(undefined, { ...type, ...base, metadata: { ...meta.metadata, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': record } } }, 'kubectl-client-side-apply');
    expect('object' in apply(live, { ...meta, spec: { replicas: 9 } }, { manager: 'kubectl' })).toBe(true);
    expect('object' in apply(live, { ...meta, spec: { replicas: 9 } }, { manager: 'me' })).toBe(false);
  });

  it('orders items as applied, others in their place', () => {
    const names = (object: Json): unknown => ((((spec(object)['template'] as Json)['spec'] as Json)['containers'] as Json[]) ?? []).map((item) => item['name']);
    const containers = (...list: string[]): Json => ({ ...meta, spec: { template: { spec: { containers: list.map((name) => ({ name })) } } } });
    const live = track(undefined, { ...type, ...containers('a', 'b', 'c', 'd') });
    expect(names(applied(live, containers('c', 'a')))).toEqual(['b', 'c', 'd', 'a']);
    expect(names(applied(live, containers('b', 'x')))).toEqual(['a', 'b', 'c', 'd', 'x']);
    expect(names(applied(live, containers('d', 'c', 'b', 'a')))).toEqual(['d', 'c', 'b', 'a']);
  });

  it.each([
    [{ spec: { foo: 1 } }, 'failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema'],
    [{ spec: { replicas: '1' } }, 'failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string'],
    [{ spec: { template: { spec: { containers: [{ name: 'a' }, { name: 'a' }] } } } }, 'failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name="a"]'],
    [{ spec: { template: { spec: { containers: [{ image: 'a' }] } } } }, `failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn't have default value)`],
    [{ spec: { x: 1, y: 2 } }, 'failed to create typed patch object (n/a; apps/v1, Kind=Deployment): errors:\n  .spec.x: field not declared in schema\n  .spec.y: field not declared in schema\n'],
    [{ apiVersion: 'apps/v1beta1' }, 'invalid object type: apps/v1beta1, Kind=Deployment'],
    [{ kind: 'Pod' }, 'invalid object type: apps/v1, Kind=Pod'],
    [{ apiVersion: undefined }, 'invalid object type: /, Kind=Deployment'],
    [{ metadata: { name: 'a', managedFields: [] } }, 'metadata.managedFields must be nil'],
    [{ metadata: { name: 'a', managedFields: [{ manager: 'x' }] } }, 'metadata.managedFields must be nil'],
  ])('refuses %j', (patch, message) => {
    expect(() => apply(undefined, { ...meta, ...patch })).toThrow(message);
  });

  it('applies anything to itself without effect', () => {
    fc.assert(
      fc.property(arbitraryObject(schema, 4), (object) => {
        const patch = { ...object, metadata: { name: 'a' } };
        const first = applied(undefined, patch, { force: true });
        expect(applied(first, patch, { force: true, nowIso: t2 })).toBe(first);
      }),
      { numRuns: 100 },
    );
  });
});

describe('together with client-side apply', () => {
  const key = 'kubectl.kubernetes.io/last-applied-configuration';
  const manifest = (replicas: number, more: Json = {}): Json => ({ ...type, ...meta, spec: { replicas, ...more } });
  const clientSide = (applied: Json, live: Json = {}): Json =>
    track(undefined, { ...applied, ...live, metadata: { ...meta.metadata, uid: 'u', annotations: { [key]: JSON.stringify(applied) } } }, 'kubectl-client-side-apply');
  const kubectl = { manager: 'kubectl' };
  const record = (object: Json): unknown => JSON.parse((object['metadata'] as { annotations: Record<string, string> }).annotations[key] ?? 'null');

  it('kubectl takes over what it has applied, and its record follows', () => {
    const made = applied(clientSide(manifest(1, { paused: true })), manifest(2, { minReadySeconds: 3 }), kubectl);
    expect(spec(made)).toEqual({ replicas: 2, minReadySeconds: 3, paused: true });
    expect(record(made)).toEqual(manifest(2, { minReadySeconds: 3 }));
    expect(applied(made, manifest(2, { minReadySeconds: 3 }), kubectl)).toBe(made);
  });

  it('other managers do not, nor kubectl what somebody changed since', () => {
    expect(apply(clientSide(manifest(1)), manifest(2), { manager: 'other' })).toHaveProperty('conflicts');
    const changed = track(clientSide(manifest(1, { paused: true })), { ...clientSide(manifest(1, { paused: true })), spec: { replicas: 5, paused: true } }, 'scaler', t2);
    expect(apply(changed, manifest(2, { paused: false }), kubectl)).toEqual({ conflicts: [{ manager: '"scaler" using apps/v1', field: '.spec.replicas' }] });
  });

  it('a record that cannot be read, or is of another version, changes nothing', () => {
    for (const text of ['{', '[]', JSON.stringify({ ...manifest(1), apiVersion: 'apps/v1beta1' }), JSON.stringify(manifest(1, { unknown: 1 }))]) {
      const live = clientSide(manifest(1));
      const odd = { ...live, metadata: { ...(live['metadata'] as Json), annotations: { [key]: text } } };
      expect(apply(odd, manifest(2), kubectl)).toHaveProperty('conflicts');
    }
  });

  it('a record that gets too big goes', () => {
    const made = applied(clientSide(manifest(1)), { ...manifest(1), metadata: { name: 'a', namespace: 'n', annotations: { a: 'x'.repeat(130 * 1024) } } }, kubectl);
    expect(Object.keys((made['metadata'] as { annotations: Json }).annotations)).toEqual(['a']);
  });

  it('what was never tracked stays so until its first apply', () => {
    const untracked = { ...manifest(1), metadata: { ...meta.metadata, uid: 'u' } };
    const changed = track(untracked, { ...untracked, spec: { replicas: 2 } });
    expect(entries(changed)).toBeUndefined();
    const made = applied(changed, manifest(2), { force: true });
    expect(entries(made).map(({ manager, operation }) => [manager, operation])).toEqual([['me', 'Apply'], ['before-first-apply', 'Update']]);
  });
});
