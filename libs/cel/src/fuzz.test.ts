import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compile } from './index.ts';
import { outcome, testBindings, testEnvironment } from './testing/environment.ts';

const words = [
  'self', 'object', 'x', 'self.n', 'self.list', 'self.items', 'self.map', 'object.spec', 'true', 'null', '1', '-1', '2u', '1.5', "'a'", "b'a'", '"""x"""', 'r"\\d"', '[', ']', '{', '}', '(', ')', '.', ',', ':', '?', '.?', '[?', '+', '-', '*', '/', '%', '!', '&&', '||', '==', '!=',
  '<', '>=', ' in ', '.all(x, ', '.exists(x, ', '.map(x, ', '.filter(x, ', '.optMap(x, ', 'has(', 'size(', 'dyn(', 'type(', 'optional.of(', '.orValue(', '.matches(', '.format([', '.sortBy(x, ', '.distinct()', 'lists.range(', 'duration(', 'quantity(', 'JSONPatch{', '\\', '\n', '//', '"', "'", '😀', '@', '`', '$',
];

/** Never throws, whatever the source; what it evaluates to is bounded by its budget. */
function survives(source: string): void {
  const { program, failure } = compile(source, testEnvironment);
  if (failure) {
    expect(failure.text).toMatch(/^ERROR: <input>:/);
    return;
  }
  const { cost, error } = program.evaluate(testBindings, { costBudget: 10_000 });
  // One step may be what goes beyond.
  if (!error) expect(cost).toBeLessThanOrEqual(10_000);
  const { min, max } = program.estimateCost();
  expect(min).toBeLessThanOrEqual(max);
}

it('survives any text', () => fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), survives), { numRuns: 1000 }));

it('survives any words', () => fc.assert(fc.property(fc.array(fc.constantFrom(...words), { maxLength: 14 }).map((parts) => parts.join('')), survives), { numRuns: 4000 }));

const expressions = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom('self.n', 'self.s', 'self.list', 'self.items', 'self.map', 'object.spec', 'object.missing', 'dyn(1)', "dyn('a')", '1', '2.5', "'a'", '[]', '[1, 2]', '{"a": 1}', 'null', 'true', 'optional.none()', "timestamp('2026-01-01T00:00:00Z')", "duration('1h')"),
    fc.tuple(tie('any'), fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '>=', '&&', '||', 'in'), tie('any')).map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(tie('any'), fc.constantFrom('all', 'exists', 'exists_one', 'map', 'filter', 'optMap'), tie('any')).map(([a, macro, b]) => `${a}.${macro}(x, ${b})`),
    fc.tuple(tie('any'), tie('any'), tie('any')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `[${a}, ${b}]`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `dyn(${a})[dyn(${b})]`),
    fc.tuple(fc.constantFrom('size', 'string', 'int', 'double', 'type', 'dyn', 'optional.of', '!', '-'), tie('any')).map(([name, a]) => `${name}(${a})`),
    fc.tuple(tie('any'), fc.constantFrom('sum', 'min', 'max', 'isSorted', 'join', 'flatten', 'sort', 'distinct', 'reverse', 'first', 'size', 'value', 'unwrapOpt', 'trim', 'getHours', 'family', 'sign', 'major', 'getHost', 'allowed')).map(([a, name]) => `dyn(${a}).${name}()`),
    fc.tuple(tie('any'), fc.constantFrom('matches', 'indexOf', 'split', 'format', 'contains', 'or', 'sortBy', 'slice', 'validate', 'containsIP', 'compareTo', 'add', 'check'), tie('any')).map(([a, name, b]) => `dyn(${a}).${name}(dyn(${b}))`),
    tie('any').map((a) => `dyn(${a}).?b.orValue(${a})`),
  ),
}));

it('survives expressions of any types', () => fc.assert(fc.property(expressions.any, survives), { numRuns: 3000 }));

it('makes dyn of everything and errs the same', () =>
  fc.assert(
    fc.property(expressions.any, (source) => {
      const typed = outcome(source, { costBudget: 100_000 });
      // Parentheses and a condition that holds change nothing.
      if (typeof typed !== 'string') expect(outcome(`(true ? (${source}) : (${source}))`, { costBudget: 100_000 })).toEqual(typed);
    }),
    { numRuns: 500 },
  ));
