import { describe, expect, it } from 'vitest';
import { boolType, compile, dynType, formatType, intType, listType, stringType } from './index.ts';
import { outcome, testEnvironment } from './testing/environment.ts';

const start = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

it.each<[string, string]>([
  // As cel-go prints them, with the place.
  ['self.missing == 1', "1:5: undefined field 'missing'\n | self.missing == 1\n | ....^"],
  ["1 + 'a'", "1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + 'a'\n | ..^"],
  ['1 == 1.0', "1:3: found no matching overload for '_==_' applied to '(int, double)'\n | 1 == 1.0\n | ..^"],
  ['self.s == null', "1:8: found no matching overload for '_==_' applied to '(string, null)'\n | self.s == null\n | .......^"],
  ["self.n.startsWith('a')", "1:18: found no matching overload for 'startsWith' applied to 'int.(string)'\n | self.n.startsWith('a')\n | .................^"],
  ['self.at < self.every', "1:9: found no matching overload for '_<_' applied to '(timestamp, duration)'\n | self.at < self.every\n | ........^"],
  ['foo(1)', "1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^"],
  ['other.x', "1:1: undeclared reference to 'other' (in container '')\n | other.x\n | ^"],
  ['self.n.x == 1', "1:7: type 'int' does not support field selection\n | self.n.x == 1\n | ......^"],
  ["[1, 'a']", "1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"],
  ["{'a': 1, 'b': 'c'}", "1:15: expected type 'int' but found 'string'\n | {'a': 1, 'b': 'c'}\n | ..............^"],
  ['self.n.all(x, x > 0)', "1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.n.all(x, x > 0)\n | ....^"],
  ['self.list.all(x, x)', "1:14: found no matching overload for '_&&_' applied to '(bool, string)'\n | self.list.all(x, x)\n | .............^"],
  ["true ? 1 : 'b'", "1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'\n | true ? 1 : 'b'\n | .....^"],
  ["self.s.matches('(')", "1:16: invalid matches argument\n | self.s.matches('(')\n | ...............^"],
  ["duration('x') == self.every", "1:10: invalid duration argument\n | duration('x') == self.every\n | .........^"],
  ['has(self)', '1:5: invalid argument to has() macro\n | has(self)\n | ....^'],
  ['self.list.all(x.y, true)', '1:16: argument must be a simple name\n | self.list.all(x.y, true)\n | ...............^'],
  ['for == 1', '1:1: reserved identifier: for\n | for == 1\n | ^'],
  ['9223372036854775808 > 0', '1:1: invalid int literal\n | 9223372036854775808 > 0\n | ^'],
  ['cel.bind(x, 1, x)', "1:1: undeclared reference to 'cel' (in container '')\n | cel.bind(x, 1, x)\n | ^\nERROR: <input>:1:9: undeclared reference to 'bind' (in container '')\n | cel.bind(x, 1, x)\n | ........^\nERROR: <input>:1:10: undeclared reference to 'x' (in container '')\n | cel.bind(x, 1, x)\n | .........^\nERROR: <input>:1:16: undeclared reference to 'x' (in container '')\n | cel.bind(x, 1, x)\n | ...............^"],
  ['self.n +\n\tself.ü', "2:7: Syntax error: token recognition error at: 'ü'\n |  self.ü\n | ......＾\nERROR: <input>:2:8: Syntax error: mismatched input '<EOF>' expecting IDENTIFIER\n |  self.ü\n | ......．^"],
  ['self.n = 1', "1:8: Syntax error: token recognition error at: '= '\n | self.n = 1\n | .......^\nERROR: <input>:1:10: Syntax error: extraneous input '1' expecting <EOF>\n | self.n = 1\n | .........^"],
  ["self.s == 'x", `1:11: Syntax error: token recognition error at: ''x'\n | self.s == 'x\n | ..........^\nERROR: <input>:1:13: Syntax error: mismatched input '<EOF>' expecting ${start}\n | self.s == 'x\n | ............^`],
  ["1 @ + 1", "1:3: Syntax error: token recognition error at: '@'\n | 1 @ + 1\n | ..^"],
  ['1 +', `1:4: Syntax error: mismatched input '<EOF>' expecting ${start}\n | 1 +\n | ...^`],
  ['', `1:1: Syntax error: mismatched input '<EOF>' expecting ${start}\n | \n | ^`],
  ['1 2', "1:3: Syntax error: extraneous input '2' expecting <EOF>\n | 1 2\n | ..^"],
  ['(1', "1:3: Syntax error: missing ')' at '<EOF>'\n | (1\n | ..^"],
  [`${'('.repeat(251)}1`, '-1:0: expression recursion limit exceeded: 250'],
  [`'${'x'.repeat(100_000)}'`, '-1:0: expression code point size exceeds limit: size: 100002, limit 100000'],
])('%j does not compile', (source, text) => expect(outcome(source)).toBe(`ERROR: <input>:${text}`));

describe('types', () => {
  it.each<[string, string]>([
    ['self.items', 'list(selfType.items.@idx)'],
    ['self.items.map(i, i.v)', 'list(int)'],
    ['self.map', 'map(string, string)'],
    ['[]', 'list(dyn)'],
    ['[dyn(1), "a"]', 'list(dyn)'],
    ['self.?s', 'optional_type(string)'],
    ['self.?s.orValue("")', 'string'],
    ['object.spec', 'dyn'],
    ['object.a + 1', 'int'],
    ['self.any == "x" ? self.n : 1', 'int'],
    ['self.at - self.at', 'google.protobuf.Duration'],
    ['null', 'null_type'],
    ['type(1)', 'type(int)'],
    ['cidr("::/0").ip()', 'net.IP'],
    ['{"a": 1}.transformMap(k, v, k)', 'map(string, string)'],
    ['format.named("uri")', 'optional_type(kubernetes.NamedFormat)'],
  ])('%s is %s', (source, type) => {
    const { program, failure } = compile(source, testEnvironment);
    expect(program ? formatType(program.resultType) : failure?.text).toBe(type);
  });

  it('can be asked for', () => {
    expect(compile('self.n', testEnvironment, { expect: boolType }).failure?.text).toBe('must evaluate to bool but got int');
    expect(compile('self.n', testEnvironment, { expect: [stringType, listType(stringType)] }).failure?.text).toBe('must evaluate to one of [string list(string)]');
    expect(compile('self.n', testEnvironment, { expect: [intType, dynType] }).program?.resultType).toEqual(intType);
  });

  it('tell what is used', () => expect([...(compile('self.n > 0 || object.x.all(self, self == 1)', testEnvironment).program?.references ?? [])]).toEqual(['self', 'object']));
});

it('tells of so many problems only', () => {
  const text = String(outcome(Array.from({ length: 20_000 }, () => 'a').join('||')));
  expect(text.split('ERROR').length).toBe(101);
  expect(text).toMatch(/19900 more errors were truncated$/);
});
