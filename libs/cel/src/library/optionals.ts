import { CelDuration, CelError, CelList, CelOptional, CelTimestamp, CelUint, type CelValue, isCelMap } from '../values.ts';
import { library } from './signature.ts';

/** What a type starts out with. */
function isZero(value: CelValue): boolean {
  if (value === null || value === false || value === 0 || value === 0n || value === '') return true;
  if (value instanceof CelUint) return value.value === 0n;
  if (value instanceof CelDuration) return value.ns === 0n;
  if (value instanceof CelTimestamp) return value.ns === -62_135_596_800n * 1_000_000_000n;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof CelOptional) return value.value === undefined;
  return (value instanceof CelList || isCelMap(value)) && value.size === 0;
}

function valueOf({ value }: CelOptional): CelValue {
  if (value === undefined) throw new CelError('optional.none() dereference');
  return value;
}

function unwrap(list: CelList): CelList {
  return new CelList(list.values().flatMap((item) => (item instanceof CelOptional ? (item.value === undefined ? [] : [item.value]) : [item])));
}

/** Optional values; `.?`, `[?]`, `or`, `orValue`, optMap and optFlatMap are the evaluator's and the parser's. */
export const optionalsLibrary = library({
  'optional.of': [['(V) optional(V)', (value: CelValue) => new CelOptional(value)]],
  'optional.none': [['() optional(V)', () => new CelOptional(undefined)]],
  'optional.ofNonZeroValue': [['(V) optional(V)', (value: CelValue) => new CelOptional(isZero(value) ? undefined : value)]],
  'optional.unwrap': [['(list(optional(V))) list(V)', unwrap]],
  unwrapOpt: [['list(optional(V)).() list(V)', unwrap]],
  value: [['optional(V).() V', valueOf]],
  hasValue: [['optional(V).() bool', ({ value }: CelOptional) => value !== undefined]],
  or: [['optional(V).(optional(V)) optional(V)', (one: CelOptional, other: CelOptional) => (one.value === undefined ? other : one)]],
  orValue: [['optional(V).(V) V', (one: CelOptional, other: CelValue) => (one.value === undefined ? other : one.value)]],
});
