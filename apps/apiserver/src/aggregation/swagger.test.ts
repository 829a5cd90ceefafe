import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { swagger as sample } from './testing/sample-documents.ts';
import { type Swagger, mergeSwagger, toOpenApiV3, withPathsOf } from './swagger.ts';

const ref = (name: string): { $ref: string } => ({ $ref: `#/definitions/${name}` });
const path = (name: string): any => ({ get: { responses: { 200: { schema: ref(name) } } } });
const document = (paths: Record<string, any>, definitions: Record<string, any>): Swagger => ({ paths, definitions });

describe('one document of several', () => {
  it('keeps the first of a path, shares what is the same, renames what differs', () => {
    const first = document({ '/a': path('A') }, { A: { type: 'object' }, Same: { type: 'string' } });
    const second = document({ '/a': path('Other'), '/b': path('A') }, { A: { properties: { s: ref('Same'), a: ref('A') } }, Same: { type: 'string' } });
    const third = document({ '/c': path('A') }, { A: { type: 'integer' } });
    expect(mergeSwagger(first, [second, third])).toEqual({
      paths: { '/a': path('A'), '/b': path('A_v2'), '/c': path('A_v3') },
      definitions: { A: { type: 'object' }, Same: { type: 'string' }, A_v2: { properties: { s: ref('Same'), a: ref('A_v2') } }, A_v3: { type: 'integer' } },
    });
    expect(mergeSwagger(first, [])).toBe(first);
    expect(first.definitions).toEqual({ A: { type: 'object' }, Same: { type: 'string' } });
  });

  it('never loses a schema that a path needs', () => {
    const names = fc.constantFrom('A', 'B', 'C');
    const definitions = fc.dictionary(names, fc.oneof(fc.record({ type: fc.constantFrom('string', 'object') }), fc.record({ items: names.map(ref) })));
    const documents = fc.array(fc.record({ paths: fc.dictionary(fc.constantFrom('/a', '/b', '/c'), names.map(path)), definitions }), { minLength: 1, maxLength: 4 });
    const complete = (all: { paths: Record<string, any>; definitions: Record<string, any> }): any => ({ ...all, definitions: { A: {}, B: {}, C: {}, ...all.definitions } });
    fc.assert(fc.property(documents, (all) => {
      const [first, ...others] = all.map(complete) as [Swagger, ...Swagger[]];
      const merged = mergeSwagger(first, others);
      const refs = [...JSON.stringify(merged).matchAll(/#\/definitions\/([^"]+)/g)].map(([, name]) => name ?? '');
      expect(refs.filter((name) => !(name in (merged.definitions ?? {})))).toEqual([]);
      for (const [name, value] of Object.entries(first.paths ?? {})) expect(merged.paths?.[name]).toEqual(value);
    }), { numRuns: 200 });
  });

  it('is cut down to a prefix with what that needs, cycles included', () => {
    const cyclic = document({ '/apis/g/v1/x': path('A'), '/apis/g/v2/x': path('Z') }, { A: { items: ref('B') }, B: { items: ref('A') }, Z: {} });
    expect(withPathsOf(cyclic, '/apis/g/v1/')).toEqual({ paths: { '/apis/g/v1/x': path('A') }, definitions: { A: { items: ref('B') }, B: { items: ref('A') } }, parameters: {} });
  });
});

describe('v2 as v3', () => {
  it('moves bodies, parameters, answers and schemas to where v3 has them', () => {
    const made = toOpenApiV3(sample as unknown as Swagger) as any;
    const item = made.paths['/apis/wardle.example.com/v1alpha1/namespaces/{namespace}/flunders'];
    const flunder = { $ref: '#/components/schemas/com.example.wardle.v1alpha1.Flunder' };
    expect(made.openapi).toBe('3.0.0');
    expect(item.parameters).toEqual([{ name: 'namespace', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }]);
    expect(item.post.requestBody).toEqual({ content: { '*/*': { schema: flunder } }, required: true });
    expect(item.post.parameters[0]).toEqual({ name: 'dryRun', in: 'query', schema: { type: 'string' } });
    expect(item.post.responses).toEqual({ 201: { description: 'Created', content: { 'application/json': { schema: flunder } } } });
    expect(item.post['x-kubernetes-action']).toBe('post');
    expect(made.components.schemas['com.example.wardle.v1alpha1.Flunder'].properties.metadata).toEqual({ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' });
  });
});
