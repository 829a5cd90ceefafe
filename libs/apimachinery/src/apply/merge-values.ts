import { isRecord } from '../equality.ts';
import type { ListSchema, Schema } from '../schema.ts';
import { type Item, itemsOf, shapeOf } from './typed-values.ts';

/** First of each identity. */
function index(items: readonly Item[]): Map<string, unknown> {
  const map = new Map<string, unknown>();
  for (const { element, value } of items) if (!map.has(element)) map.set(element, value);
  return map;
}

/**
 * Items of both lists: shared ones come in the order of the applied list, the live list's own keep their place between
 * them.
 */
function mergeItems(schema: ListSchema, live: unknown, applied: unknown): unknown[] {
  const left = itemsOf(schema, live);
  const right = itemsOf(schema, applied);
  const inLeft = index(left);
  const inRight = index(right);
  const merge = (element: string): unknown => mergeValues(schema.items, inLeft.get(element), inRight.get(element));
  const shared = right.map((item) => item.element).filter((element) => inLeft.has(element));
  const merged = new Set<string>();
  const out: unknown[] = [];
  let nextShared = 0;
  let l = 0;
  let r = 0;
  const take = (element: string): void => {
    out.push(merge(element));
    merged.add(element);
    if (shared[nextShared] === element) nextShared++;
  };
  while (l < left.length || r < right.length) {
    const own = left[l];
    const other = right[r];
    if (own && other) {
      if (own.element === other.element) {
        take(own.element);
        l++;
        r++;
        continue;
      }
      if (inRight.has(own.element) && shared[nextShared] !== undefined && shared[nextShared] !== own.element) {
        l++;
        continue;
      }
    }
    if (own && !inRight.has(own.element)) {
      out.push(own.value);
      l++;
      continue;
    }
    if (own && merged.has(own.element)) l++;
    if (other) {
      take(other.element);
      r++;
    } else if (own && !merged.has(own.element)) {
      l++;
    }
  }
  return out;
}

/** What live and applied say together; where both speak, applied is right. Neither is changed. */
export function mergeValues(schema: Schema | undefined, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live;
  if (live === undefined) return applied;
  const shape = shapeOf(schema, applied);
  if (shape.kind === 'fields' && isRecord(live) && isRecord(applied)) {
    const out: Record<string, unknown> = { ...live };
    for (const [name, value] of Object.entries(applied)) {
      out[name] = mergeValues(shape.field(name).schema, Object.hasOwn(live, name) ? live[name] : undefined, value);
    }
    return out;
  }
  if (shape.kind === 'items' && Array.isArray(live) && Array.isArray(applied)) return mergeItems(shape.schema, live, applied);
  return applied;
}
