import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CelError } from '../values.ts';
import { PatternError, compileRegex, findAll, search } from './index.ts';
import { run } from './match.ts';

it.each<[string, string, boolean]>([
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', 'my-name-1', true],
  ['^[a-z]+$', 'aB', false],
  ['(?i)^hello$', 'HeLLo', true],
  ['(?i:a)b', 'AB', false],
  ['a.c', 'a\nc', false],
  ['(?s)a.c', 'a\nc', true],
  ['^b$', 'a\nb', false],
  ['(?m)^b$', 'a\nb\nc', true],
  ['\\bfoo\\b', 'a foo b', true],
  ['\\Bfoo', 'a foo', false],
  ['^\\d{2,3}$', '1234', false],
  ['^x{,3}$', 'x{,3}', true],
  ['^[[:alpha:]_-]+$', 'aZ_-', true],
  ['^[^[:digit:]\\s]+$', 'ab c', false],
  ['^\\p{Lu}\\p{Greek}+\\PL$', 'Äαβ1', true],
  ['^[\\p{L}\\d]+$', 'ä1', true],
  ['^\\x41\\x{1F600}\\101\\Qa.b\\E$', 'A😀Aa.b', true],
  ['^(?P<y>a|b)(?<z>c)$', 'bc', true],
  ['^[]a]+$', ']a', true],
  ['^.$', '😀', true],
  ['', 'x', true],
  ['a|b|', '', true],
  ['(?:$|a)^', '', true],
  ['$^', 'a', false],
  ['(a+)+$', `${'a'.repeat(20_000)}b`, false],
  ['(a|a)*b', 'a'.repeat(20_000), false],
])('%s in %.20s: %s', (pattern, text, wanted) => expect(search(pattern, text)).toBe(wanted));

it.each<[string, string]>([
  ['(', 'missing closing ): `(`'],
  ['a)', 'unexpected ): `a)`'],
  ['[a', 'missing closing ]: `[a`'],
  ['*a', 'missing argument to repetition operator: `*`'],
  ['a**', 'invalid nested repetition operator: `**`'],
  ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
  ['(?<!a)', 'invalid or unsupported Perl syntax: `(?<!`'],
  ['(a)\\1', 'invalid escape sequence: `\\1`'],
  ['a{1001}', 'invalid repeat count: `{1001}`'],
  ['(a{100}){100}', 'invalid repeat count: `{100}`'],
  ['a\\', 'trailing backslash at end of expression: ``'],
  ['[z-a]', 'invalid character class range: `z-a`'],
  ['\\p{Klingon}', 'invalid character class range: `\\p{Klingon}`'],
])('%s is no pattern', (pattern, problem) => expect(() => compileRegex(pattern)).toThrow(new PatternError(`error parsing regexp: ${problem}`)));

it('finds one after another', () => {
  expect(findAll('[0-9]+', 'a12b345c6')).toEqual(['12', '345', '6']);
  expect(findAll('[0-9]+', 'a12b345c6', 2)).toEqual(['12', '345']);
  expect(findAll('a*', 'baaac')).toEqual(['', 'aaa', '']);
  expect([findAll('a+?', 'aa'), findAll('ab|a', 'ab'), findAll('a|ab', 'ab'), findAll('(?U)a+', 'aa')]).toEqual([['a', 'a'], ['ab'], ['a'], ['a', 'a']]);
});

describe('patterns', () => {
  const alphabet = fc.constantFrom('a', 'b', 'c');
  const piece = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 4 },
      alphabet,
      fc.constantFrom('.', '[ab]', '[^a]', '\\b', '^', '$', ''),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '+?', '??', '{0,2}', '{2}')).map(([a, times]) => `(?:${a})${times}`),
    ),
  }));

  it('agree with the engine of JavaScript where both know them', () => {
    fc.assert(
      fc.property(piece.pattern, fc.array(alphabet, { maxLength: 6 }), (pattern, letters) => {
        const text = letters.join('');
        expect(search(pattern, text)).toBe(new RegExp(pattern, 'u').test(text));
      }),
      { numRuns: 500 },
    );
  });

  it('answer the same whether their states are kept or not', () => {
    const withoutStates = (pattern: string, text: string): boolean => run(compileRegex(pattern), text, { start: 0, any: true }) !== undefined;
    fc.assert(fc.property(piece.pattern, fc.array(alphabet, { maxLength: 6 }), (pattern, letters) => {
      const text = letters.join('');
      expect(search(pattern, text)).toBe(withoutStates(pattern, text));
    }), { numRuns: 300 });
  });

  it('with more states than can be kept go on', () => {
    const pattern = `(?:a|b)*a${'(?:a|b)'.repeat(14)}$`;
    const text = Array.from({ length: 5000 }, (_, i) => (Math.imul(i, 2_654_435_761) & 65_536 ? 'a' : 'b')).join('');
    expect(search(pattern, text)).toBe(text.at(-15) === 'a');
  });

  it('of any sort answer or are refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|\\.^$-,:<>PdwQEp1😀') , maxLength: 24 }), fc.string({ maxLength: 20 }), (pattern, text) => {
        try {
          expect(typeof search(pattern, text)).toBe('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(CelError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
