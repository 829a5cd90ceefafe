import { describe, expect, it } from 'vitest';
import { type CelType, boolType, bytesType, compile, intType, listType, mapType, objectType, stringType } from '../index.ts';
import { withVariables } from '../testing/environment.ts';

const message = objectType('Message', { single: intType });
const messages = (maxElements: number): CelType => listType(message, { maxElements });
const text = (maxElements?: number): CelType => (maxElements === undefined ? stringType : { ...stringType, maxElements });
const ints = (maxElements: number): CelType => listType(intType, { maxElements });
const mapOf = (value: CelType, maxElements: number, keys?: number): CelType => mapType(text(keys), value, { maxElements });

function estimate(source: string, variables: Readonly<Record<string, CelType>> = {}): readonly [number, number] {
  const { program, failure } = compile(source, withVariables(variables));
  if (!program) throw new Error(failure.text);
  const { min, max } = program.estimateCost();
  return [min, max];
}

// Figures of cel-go's and Kubernetes' own tables.
describe('estimates', () => {
  it.each<[string, Readonly<Record<string, CelType>>, readonly [number, number]]>([
    ['"Hello World!"', {}, [0, 0]],
    ['input', { input: listType(intType) }, [1, 1]],
    ["input['key']", { input: mapType(stringType, stringType) }, [2, 2]],
    ['input.single', { input: message }, [2, 2]],
    ['[1, 2, 3]', {}, [10, 10]],
    ['{"a": 1, "b": 2, "c": 3}', {}, [30, 30]],
    ['input.all(x, true)', { input: messages(100) }, [2, 302]],
    ['input.all(x, x.all(y, true))', { input: listType(messages(10), { maxElements: 50 }) }, [2, 1752]],
    ['[1, 2, 3].all(x, true)', {}, [20, 20]],
    ["input.matches('[0-9]')", { input: text(500) }, [3, 103]],
    ["'123'.matches('[0-9]')", {}, [2, 2]],
    ['true || false', {}, [0, 0]],
    ['1 < 2', {}, [1, 1]],
    ['1 == 2', {}, [1, 1]],
    ['2 in [1, 2, 3]', {}, [13, 13]],
    ['1 + 1', {}, [1, 1]],
    ['true ? 1 : 2', {}, [0, 0]],
    ['size("123")', {}, [1, 1]],
    ['string(input)', { input: { ...bytesType, maxElements: 500 } }, [1, 51]],
    ['bytes(input)', { input: text(500) }, [1, 51]],
    ['input.contains(arg)', { input: text(500), arg: text(500) }, [2, 2502]],
    ['input.startsWith(arg)', { input: text(), arg: text(500) }, [2, 52]],
    ['(x > 2 ? a : b).all(y, true)', { x: intType, a: messages(1), b: messages(1) }, [4, 7]],
    ['input.all(k, input[k].single > 3)', { input: mapOf(message, 10) }, [2, 82]],
    ['input.all(k, input[k].all(x, true))', { input: mapOf(mapOf(message, 10), 5) }, [2, 187]],
    ['input.all(k, k.contains(k))', { input: mapOf(mapOf(message, 10), 5, 10) }, [2, 32]],
    ['input.all(k, input[k].all(k, true) && k.contains(k))', { input: mapOf(mapOf(message, 2), 2, 5) }, [2, 34]],
    ['(a + b).all(x, true)', { a: ints(10), b: ints(10) }, [4, 64]],
    ['"abcdefg".contains(a + b)', { a: text(10), b: text(10) }, [2, 6]],
    ['[1, 2, 3, 4, 5].sum()', {}, [15, 15]],
    ['[uint(1), uint(2), uint(3), uint(4), uint(5)].max()', {}, [20, 20]],
    ['[uint(1), uint(2), uint(3), uint(4), uint(5)].indexOf(uint(3))', {}, [21, 21]],
    ["'01234567890123456789012345678901234567890123456789'.indexOf('123')", {}, [5, 5]],
    ["url('https:://kubernetes.io/').getHost()", {}, [4, 4]],
    ["ip('192.168.0.1').family()", {}, [3, 3]],
    ["ip.isCanonical('2001:db8:3333:4444:5555:6666:7777:8888')", {}, [8, 8]],
    ["cidr('192.168.0.0/16').masked()", {}, [3, 3]],
    ["cidr('192.168.0.0/16').containsCIDR(cidr('192.0.0.0/30'))", {}, [7, 11]],
    ["cidr('192.168.0.0/16').containsIP('192.0.0.1')", {}, [4, 7]],
    ["cidr('2001:db8::/32').containsIP(ip('2001:db8:3333:4444:5555:6666:7777:8888'))", {}, [7, 10]],
    ["input.check('get')".replace('input', "input.path('/x')"), { input: { kind: 'opaque', name: 'kubernetes.authorization.Authorizer' } }, [350_002, 350_002]],
  ])('%s', (source, variables, wanted) => expect(estimate(source, variables)).toEqual(wanted));

  it('end at 2^64', () => expect(estimate('a.all(x, a.all(y, a.all(z, a.all(v, a.all(w, b)))))', { a: listType(stringType), b: boolType })[1]).toBe(2 ** 64));
});

describe('costs', () => {
  const letters = 'x'.repeat(500);
  const cost = (source: string, variables: Readonly<Record<string, CelType>>, bindings: object, costBudget?: number): number | string => {
    const { program, failure } = compile(source, withVariables(variables));
    if (!program) throw new Error(failure.text);
    const outcome = program.evaluate(bindings as Readonly<Record<string, unknown>>, costBudget === undefined ? {} : { costBudget });
    return outcome.error ? outcome.error.message : outcome.cost;
  };

  it.each<[string, Readonly<Record<string, CelType>>, object, number]>([
    ['input.all(x, true)', { input: listType(message) }, { input: [] }, 2],
    ["input.matches('[0-9]')", { input: stringType }, { input: letters }, 103],
    ['a || b || c || d', { a: boolType, b: boolType, c: boolType, d: boolType }, { a: false, b: false, c: false, d: false }, 4],
    ['a && b', { a: boolType, b: boolType }, { a: false, b: false }, 1],
    ['1 < 2', {}, {}, 1],
    ["'12345678901234567890' == '123456789012345678901234567890'", {}, {}, 2],
    ['bytes(input)', { input: stringType }, { input: letters }, 51],
    ['input.contains(arg)', { input: stringType, arg: stringType }, { input: letters, arg: letters }, 2502],
    ['input.startsWith(arg)', { input: stringType, arg: stringType }, { input: 'idc', arg: letters }, 3],
    ['input.size()', { input: stringType }, { input: '500' }, 2],
    ['(x > 2 ? a : b).all(y, true)', { x: intType, a: listType(message), b: listType(message) }, { x: 1, a: [{}], b: [{}] }, 6 + 1],
    ['input.all(k, input[k].single > 3)', { input: mapType(stringType, message) }, { input: { val: { single: 0 } } }, 9],
    ['(a + b).all(x, true)', { a: listType(intType), b: listType(intType) }, { a: [], b: [] }, 4],
    ['"abcdefg".contains(a + b)', { a: stringType, b: stringType }, { a: 'val1', b: 'val2222222' }, 6],
    ['(1 > 2 || 2 > 1) == true', {}, {}, 3],
    ["cidr('192.168.0.0/16').containsCIDR('192.0.0.0/30')", {}, {}, 7],
    ["cidr('2001:db8::/32').containsIP(ip('2001:db8::1'))", {}, {}, 5],
  ])('%s', (source, variables, bindings, wanted) => expect(cost(source, variables, bindings)).toBe(wanted));

  it('have a limit', () => {
    const variables = { a: stringType, b: stringType };
    const bindings = { a: 'val1', b: 'val2222222' };
    expect(cost('"abcdefg".contains(a + b)', variables, bindings, 6)).toBe(6);
    expect(cost('"abcdefg".contains(a + b)', variables, bindings, 5)).toBe('operation cancelled: actual cost limit exceeded');
  });
});
