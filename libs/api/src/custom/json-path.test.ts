import { describe, expect, it } from 'vitest';
import { customColumns } from './columns.ts';
import { JsonPathError, compileJsonPath } from './json-path.ts';

const object = {
  metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z', labels: { 'app.kubernetes.io/name': 'x' } },
  spec: { n: 3, half: 0.5, flag: false, text: 'hi', hosts: ['b', 'c', 'd'], nothing: null, map: { z: 1 } },
  status: { conditions: [{ type: 'Ready', status: 'True', n: 1 }, { type: 'Stale', status: 'False', n: 2 }] },
};

describe('paths', () => {
  it.each<[string, unknown[]]>([
    ['.spec.n', [3]],
    ['.spec.missing.deep', []],
    ['.spec.hosts[0]', ['b']],
    ['.spec.hosts[-1]', ['d']],
    ['.spec.hosts[*]', ['b', 'c', 'd']],
    ['.spec.hosts[1:]', ['c', 'd']],
    ['.spec.hosts[0,2]', ['b', 'd']],
    ['.spec.hosts[9]', []],
    ['.metadata.labels.app\\.kubernetes\\.io/name', ['x']],
    [".metadata.labels['app.kubernetes.io/name']", ['x']],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    [".status.conditions[?(@.type == 'None')].status", []],
    ['.status.conditions[?(@.n>=2)].type', ['Stale']],
    ['.status.conditions[?(@.n)].type', ['Ready', 'Stale']],
    ['.status.conditions[*].type', ['Ready', 'Stale']],
    ['..z', [1]],
    ['.spec.map.*', [1]],
    ['.spec.map', [{ z: 1 }]],
  ])('%s', (path, found) => expect(compileJsonPath(path)(object)).toEqual(found));

  it.each(['.spec.hosts[', '.spec.hosts[x]', '.a[?(@.b==c)]'])('%s is none', (path) => expect(() => compileJsonPath(path)).toThrow(JsonPathError));
});

describe('columns', () => {
  const cell = (type: string, jsonPath: string): unknown => customColumns([{ name: 'X', type, jsonPath }])[1]?.cell(object, { nowMs: Date.parse('2026-01-01T01:00:00Z') });
  it.each<[string, string, unknown]>([
    ['integer', '.spec.n', 3],
    ['integer', '.spec.half', 0],
    ['integer', '.spec.text', null],
    ['number', '.spec.half', 0.5],
    ['boolean', '.spec.flag', false],
    ['boolean', '.spec.n', null],
    ['string', '.spec.hosts', '["b","c","d"]'],
    ['string', '.spec.hosts[*]', 'b'],
    ['string', '.spec.flag', 'false'],
    ['string', '.spec.missing', null],
    ['date', '.metadata.creationTimestamp', '60m'],
    ['date', '.spec.text', '<invalid>'],
    ['date', '.spec.n', null],
  ])('%s %s', (type, path, shown) => expect(cell(type, path)).toBe(shown));

  it('are name and age where none are declared', () => expect(customColumns(undefined).map(({ name, type }) => [name, type])).toEqual([['Name', 'string'], ['Age', 'date']]));
});
