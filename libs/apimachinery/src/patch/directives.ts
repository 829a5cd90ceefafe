import { isRecord, setOwn } from '../equality.ts';

/** Keys with which a strategic merge patch says more than values can. */
export const directives = {
  patch: '$patch',
  retainKeys: '$retainKeys',
  setOrder: '$setElementOrder/',
  deleteFromList: '$deleteFromPrimitiveList/',
} as const;

function isDirective(key: string): boolean {
  return key === directives.patch || key === directives.retainKeys || key.startsWith(directives.setOrder) || key.startsWith(directives.deleteFromList);
}

/** What remains of a patch value that becomes part of an object: no directives, no items marked for deletion. */
export function dropDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isRecord(item) && item[directives.patch] === 'delete')).map(dropDirectives);
  }
  if (!isRecord(value)) return value;
  if (value[directives.patch] === 'delete') return {};
  const out: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) if (!isDirective(key)) setOwn(out, key, dropDirectives(member));
  return out;
}

/** Nulls delete; where nothing was there to delete they vanish. Lists are left alone. */
export function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) if (member !== null) setOwn(out, key, withoutNulls(member));
  return out;
}

/** As Go's `%v` prints JSON: `map[a:1 b:[x y]]`. */
export function goFormat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goFormat).join(' ')}]`;
  if (isRecord(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${goFormat(value[key])}`).join(' ')}]`;
  }
  return value === null ? '<nil>' : String(value);
}
