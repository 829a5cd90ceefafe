import { type Compare, Compare_CompareResult as Is, Compare_CompareTarget as Target, type RequestOp, type TxnRequest } from '@orrery/proto/etcd';
import { describe, expect, it } from 'vitest';
import { MvccState, applyTxn, checkTxn, evaluate, put, range, revokeLease } from './index.ts';

const b = (text: string): Buffer => Buffer.from(text);
const putOp = (key: string, value = 'v'): RequestOp => ({ request: { $case: 'requestPut', value: { key: b(key), value: b(value) } } });
const deleteOp = (key: string, end = ''): RequestOp => ({ request: { $case: 'requestDeleteRange', value: { key: b(key), rangeEnd: b(end) } } });
const rangeOp = (key: string, revision = 0): RequestOp => ({ request: { $case: 'requestRange', value: { key: b(key), revision } } });
const txnOp = (value: TxnRequest): RequestOp => ({ request: { $case: 'requestTxn', value } });

/** a: created 2, modified 3, version 2, value `two`, lease 7. b: created 4. */
function sample(): MvccState {
  const state = new MvccState();
  state.leases.grant('7', 60);
  put(state, { key: b('a'), value: b('one') });
  put(state, { key: b('a'), value: b('two'), lease: '7' });
  put(state, { key: b('b'), value: b('') });
  return state;
}

describe('comparisons', () => {
  const union = {
    version: (value: number) => ({ target: Target.VERSION, targetUnion: { $case: 'version' as const, value } }),
    create: (value: number) => ({ target: Target.CREATE, targetUnion: { $case: 'createRevision' as const, value } }),
    mod: (value: number) => ({ target: Target.MOD, targetUnion: { $case: 'modRevision' as const, value } }),
    value: (value: string) => ({ target: Target.VALUE, targetUnion: { $case: 'value' as const, value: b(value) } }),
    lease: (value: string) => ({ target: Target.LEASE, targetUnion: { $case: 'lease' as const, value } }),
  };
  const cases: [string, Compare, boolean][] = [
    ['version equal', { key: b('a'), result: Is.EQUAL, ...union.version(2) }, true],
    ['version greater', { key: b('a'), result: Is.GREATER, ...union.version(2) }, false],
    ['create less', { key: b('a'), result: Is.LESS, ...union.create(3) }, true],
    ['mod not equal', { key: b('a'), result: Is.NOT_EQUAL, ...union.mod(3) }, false],
    ['value equal', { key: b('a'), result: Is.EQUAL, ...union.value('two') }, true],
    ['value less', { key: b('a'), result: Is.LESS, ...union.value('twp') }, true],
    ['lease equal', { key: b('a'), result: Is.EQUAL, ...union.lease('7') }, true],
    ['lease greater as numbers', { key: b('a'), result: Is.LESS, ...union.lease('10') }, true],
    ['defaults: version equals 0 on an absent key', { key: b('zz') }, true],
    ['create revision 0 means absent', { key: b('zz'), result: Is.EQUAL, ...union.create(0) }, true],
    ['a value comparison never holds on an absent key', { key: b('zz'), result: Is.NOT_EQUAL, ...union.value('x') }, false],
    ['an empty value equals empty', { key: b('b'), result: Is.EQUAL, ...union.value('') }, true],
    ['a range holds when all keys do', { key: b('a'), rangeEnd: b('c'), result: Is.GREATER, ...union.create(1) }, true],
    ['a range fails when one does not', { key: b('a'), rangeEnd: b('c'), result: Is.GREATER, ...union.create(2) }, false],
    ['an empty range is an absent key', { key: b('x'), rangeEnd: b('z'), result: Is.EQUAL, ...union.version(0) }, true],
    ['from a key on', { key: b('a'), rangeEnd: b('\0'), result: Is.LESS, ...union.mod(5) }, true],
  ];
  it.each(cases)('%s', (_name, compare, holds) => {
    expect(evaluate(sample(), compare)).toBe(holds);
  });
});

describe('transactions', () => {
  it('are one revision, with reads seeing the writes before them', () => {
    const state = sample();
    const { response, written } = applyTxn(state, { success: [rangeOp('n'), putOp('n'), rangeOp('n'), deleteOp('b')] });
    expect(state.revision).toBe(5);
    expect(written.map((kv) => [String(kv.key), kv.modRevision, kv.version])).toEqual([['n', 5, 1], ['b', 5, 0]]);
    const reads = response.responses?.map((r) => (r.response?.$case === 'responseRange' ? r.response.value.count : r.response?.$case));
    expect(reads).toEqual([0, 'responsePut', 1, 'responseDeleteRange']);
    expect(response.header?.revision).toBe(5);
  });

  it('decide all branches on the state before, nested ones too', () => {
    const state = sample();
    const absent: Compare = { key: b('n'), target: Target.CREATE, result: Is.EQUAL, targetUnion: { $case: 'createRevision', value: 0 } };
    const { response } = applyTxn(state, { success: [putOp('n'), txnOp({ compare: [absent], success: [putOp('m')] })] });
    const nested = response.responses?.[1]?.response;
    expect(nested?.$case === 'responseTxn' && nested.value.succeeded).toBe(true);
    expect(range(state, { key: b('m') }).count).toBe(1);
  });

  it('that only read or delete nothing take no revision', () => {
    const state = sample();
    expect(applyTxn(state, { success: [rangeOp('a'), deleteOp('zz')] }).response.header?.revision).toBe(4);
    expect(state.revision).toBe(4);
  });

  it('that fail leave nothing behind', () => {
    const state = sample();
    expect(() => applyTxn(state, { success: [putOp('n'), rangeOp('a', 99)] })).toThrow('futureRevision');
    const lost: RequestOp = { request: { $case: 'requestPut', value: { key: b('m'), value: b('x'), lease: '99' } } };
    expect(() => applyTxn(state, { success: [putOp('n'), lost] })).toThrow('leaseNotFound');
    const ignore: RequestOp = { request: { $case: 'requestPut', value: { key: b('zz'), ignoreValue: true } } };
    expect(() => applyTxn(state, { success: [putOp('n'), ignore] })).toThrow('keyNotFound');
    expect([state.revision, range(state, { key: b('n') }).count]).toEqual([4, 0]);
  });

  it('may keep a value or a lease', () => {
    const state = sample();
    put(state, { key: b('a'), ignoreValue: true });
    expect(state.get('a')).toMatchObject({ value: b('two'), lease: '0', version: 3 });
    put(state, { key: b('a'), value: b('x'), lease: '7' });
    put(state, { key: b('a'), value: b('y'), ignoreLease: true });
    expect(state.get('a')).toMatchObject({ value: b('y'), lease: '7' });
  });
});

describe('checks before', () => {
  const nested = (success: RequestOp[], failure: RequestOp[] = []): RequestOp => txnOp({ success, failure });
  const cases: [string, RequestOp[], string | undefined][] = [
    ['two puts of a key', [putOp('a'), putOp('a')], 'duplicateKey'],
    ['a put inside a deleted range', [deleteOp('a', 'c'), putOp('b')], 'duplicateKey'],
    ['a put outside it', [deleteOp('a', 'c'), putOp('c')], undefined],
    ['deletes that overlap', [deleteOp('a', 'c'), deleteOp('b')], undefined],
    ['a put here and in a nested one', [putOp('a'), nested([putOp('a')])], 'duplicateKey'],
    ['a put in both branches of a nested one', [nested([putOp('a')], [putOp('a')])], undefined],
    ['a put in two nested ones', [nested([putOp('a')]), nested([], [putOp('a')])], 'duplicateKey'],
    ['a put under a nested delete', [putOp('a'), nested([deleteOp('a')])], 'duplicateKey'],
    ['no key', [putOp('')], 'emptyKey'],
    ['an empty operation', [{}], 'keyNotFound'],
    ['more operations than allowed', [putOp('a'), putOp('b'), putOp('c'), putOp('d')], 'tooManyOperations'],
    ['a nested one sharing the allowance', [putOp('a'), nested([putOp('b'), putOp('c')])], 'tooManyOperations'],
  ];
  it.each(cases)('%s', (_name, success, code) => {
    const check = (): void => checkTxn({ success }, 3);
    if (code) expect(check).toThrow(code);
    else expect(check).not.toThrow();
  });
});

describe('leases', () => {
  it('follow their keys, and take them along when revoked, in one revision', () => {
    const state = sample();
    state.leases.grant('8', 10);
    for (const key of ['q', 'p', 'r']) put(state, { key: b(key), value: b('x'), lease: '8' });
    put(state, { key: b('r'), value: b('free') });
    put(state, { key: b('a'), value: b('moved'), lease: '8' });
    expect([...(state.leases.get('7')?.keys ?? [])]).toEqual([]);
    const { written } = revokeLease(state, '8');
    expect(written.map((kv) => String(kv.key))).toEqual(['a', 'p', 'q']);
    expect(new Set(written.map((kv) => kv.modRevision)).size).toBe(1);
    expect(() => revokeLease(state, '8')).toThrow('leaseNotFound');
    expect(range(state, { key: b('r') }).count).toBe(1);
  });

  it('refuse an id twice and an endless TTL', () => {
    const state = sample();
    expect(() => state.leases.grant('7', 1)).toThrow('leaseExists');
    expect(() => state.leases.grant('9', 9_000_000_001)).toThrow('leaseTtlTooLarge');
  });
});

describe('ranges', () => {
  const state = sample();
  put(state, { key: b('c'), value: b('aaa') });
  const keys = (request: object): string => (range(state, { key: b('\0'), rangeEnd: b('\0'), ...request }).kvs ?? []).map((kv) => String(kv.key)).join('');
  it.each([
    ['all in order of key', {}, 'abc'],
    ['descending', { sortOrder: 2 }, 'cba'],
    ['by version, ascending when no order is given', { sortTarget: 1 }, 'bca'],
    ['by value, descending', { sortTarget: 4, sortOrder: 2 }, 'acb'],
    ['sorted before it is limited', { sortOrder: 2, limit: 1 }, 'c'],
    ['filtered by mod revision', { minModRevision: 4 }, 'bc'],
    ['filtered by create revision, limited afterwards', { maxCreateRevision: 4, minCreateRevision: 3, limit: 1 }, 'b'],
    ['at a revision', { revision: 3 }, 'a'],
  ])('%s', (_name, request, expected) => expect(keys(request)).toBe(expected));

  it('keys only and count only', () => {
    const [first] = range(state, { key: b('a'), keysOnly: true }).kvs ?? [];
    expect(first).toMatchObject({ value: b(''), version: 2 });
    expect(range(state, { key: b('a'), rangeEnd: b('z'), countOnly: true })).toMatchObject({ kvs: [], count: 3, more: false });
  });
});
