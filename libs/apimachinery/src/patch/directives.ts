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

/** Is there a directive anywhere in it? All of them begin alike. */
function hasDirectives(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasDirectives);
  for (const key in value) if (key.startsWith('$') || hasDirectives((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** What remains of a patch value that becomes part of an object: no directives, no items marked for deletion. The value itself where there are none. */
export function dropDirectives(value: unknown): unknown {
  return hasDirectives(value) ? withoutDirectives(value) : value;
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isRecord(item) && item[directives.patch] === 'delete')).map(withoutDirectives);
  }
  if (!isRecord(value)) return value;
  if (value[directives.patch] === 'delete') return {};
  const out: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) if (!isDirective(key)) setOwn(out, key, withoutDirectives(member));
  return out;
}

function hasNulls(value: unknown): boolean {
  if (!isRecord(value)) return false;
  for (const key in value) if (value[key] === null || hasNulls(value[key])) return true;
  return false;
}

/** Nulls delete; where nothing was there to delete they vanish. Lists are left alone. The value itself where there are none. */
export function withoutNulls(value: unknown): unknown {
  if (!isRecord(value) || !hasNulls(value)) return value;
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
