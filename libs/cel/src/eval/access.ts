import { CelError, CelList, CelOptional, type CelValue, isCelMap } from '../values.ts';

function shown(key: CelValue): string {
  return typeof key === 'object' && key !== null && 'value' in key ? String(key.value) : String(key);
}

/** The place in a list that a number stands for. */
function place(index: CelValue): number {
  if (typeof index === 'bigint') return Number(index);
  if (typeof index === 'number' && Number.isInteger(index)) return index;
  if (typeof index === 'object' && index !== null && 'value' in index && typeof index.value === 'bigint') return Number(index.value);
  throw new CelError(`unsupported index type '${typeof index}' in list`);
}

/** A member of a list or map; undefined when there is none. Throws CelError for what has no members. */
export function find(container: CelValue, key: CelValue): CelValue | undefined {
  if (container instanceof CelList) {
    const at = place(key);
    return at >= 0 && at < container.size ? container.at(at) : undefined;
  }
  if (isCelMap(container)) return container.find(key);
  throw new CelError('no such overload');
}

/** `container[key]` and `container.key`; optionals are looked into. Throws CelError. */
export function member(container: CelValue, key: CelValue): CelValue {
  if (container instanceof CelOptional) return optionalMember(container, key);
  const found = find(container, key);
  if (found !== undefined) return found;
  throw new CelError(container instanceof CelList ? `index out of bounds: ${shown(key)}` : `no such key: ${shown(key)}`);
}

/** `container[?key]` and `container.?key`. */
export function optionalMember(container: CelValue, key: CelValue): CelOptional {
  if (!(container instanceof CelOptional)) return new CelOptional(find(container, key));
  return container.value === undefined ? container : new CelOptional(find(container.value, key));
}

/** `has(container.field)`. */
export function hasMember(container: CelValue, field: string): boolean {
  if (container instanceof CelOptional) return container.value !== undefined && find(container.value, field) !== undefined;
  return find(container, field) !== undefined;
}
