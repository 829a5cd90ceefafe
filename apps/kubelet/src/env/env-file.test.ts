import { expect, test } from 'vitest';
import { parseEnvFile } from './env-file.ts';

test('definitions are taken as they are', () => {
  expect(Object.fromEntries(parseEnvFile("# comment\n\nA='1'\nB='$A ${A} \"x\" #y'  # more\nC='two\nlines'\nD=''\n"))).toEqual({ A: '1', B: '$A ${A} "x" #y', C: 'two\nlines', D: '' });
});

test.each([
  ["A='1'\nplain\n", 'invalid environment variable definition "plain" at line 2'],
  ["A='1'\nB=2\n", 'value must be enclosed in single quotes at line 2'],
  ['A="1"', 'value must be enclosed in single quotes at line 1'],
  ["A='1''2'", 'unexpected content after closing quote: "\'2\'" at line 1'],
  ["A='1'\nB='2\nC='3'\n", 'unexpected content after closing quote: "3\'" at line 3'],
  ["A='1", 'unclosed single quote at line 1'],
  ["='1'", 'environment variable name must not be empty at line 1'],
])('%j is refused', (text, message) => {
  expect(() => parseEnvFile(text)).toThrow(new Error(message));
});
