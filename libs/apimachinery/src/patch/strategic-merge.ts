import { getOwn, isRecord, setOwn } from '../equality.ts';
import type { FieldSchema, Schema } from '../schema.ts';
import { directives, dropDirectives, goFormat, withoutNulls } from './directives.ts';
import { mergeInOrder, mergeOrdered, sameItem } from './element-order.ts';
import { PatchError } from './patch-error.ts';

type Fields = Record<string, unknown>;

/** Formats that are wrong (400), lists of lists (422) and everything else (500), as upstream answers them. */
const malformed = (message: string): PatchError => new PatchError('malformed', message);
const inapplicable = (message: string): PatchError => new PatchError('inapplicable', message);
const failed = (message: string): PatchError => new PatchError('failed', message);

function goTypeName(value: unknown): string {
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  return isRecord(value) ? 'map[string]interface {}' : 'string';
}

/** How a field merges: what the schema says, looked up without regard to case as upstream does. */
function fieldOf(schema: Schema | undefined, name: string): FieldSchema | undefined {
  if (schema?.type !== 'object') return undefined;
  const exact = schema.fields.get(name);
  if (exact) return exact;
  const lower = name.toLowerCase();
  for (const field of schema.fields.values()) if (field.name.toLowerCase() === lower) return field;
  return undefined;
}

function schemaUnder(schema: Schema | undefined, name: string): Schema | undefined {
  return schema?.type === 'map' ? schema.items : fieldOf(schema, name)?.schema;
}

/** `replace` and `merge`; `retainKeys` only tells clients what to send. */
function strategyOf(field: FieldSchema | undefined): string {
  return field?.patchStrategy.find((strategy) => strategy !== 'retainKeys') ?? '';
}

function applyRetainKeys(target: Fields, patch: Fields): void {
  const keys = getOwn(patch, directives.retainKeys);
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw malformed('invalid patch format of retainKeys');
  for (const [key, value] of Object.entries(patch)) {
    const isDirective = key === directives.retainKeys || key.startsWith(directives.deleteFromList) || key.startsWith(directives.setOrder);
    if (value !== null && !isDirective && !keys.includes(key)) throw malformed('invalid patch format of retainKeys');
  }
  for (const key of Object.keys(target)) if (!keys.includes(key)) delete target[key];
}

function listOf(value: unknown): unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw failed(`expected a []interface {}, but received a ${goTypeName(value)}`);
  return value as unknown[];
}

/** Do the patch's items come in the order that `$setElementOrder` names? Deletions may stand anywhere. */
function checkOrder(patchList: readonly unknown[], order: readonly unknown[], mergeKey: string): void {
  if (order.length === 0 || patchList.length === 0) return;
  const items = patchList.filter((item) => !(isRecord(item) && directives.patch in item));
  let at = 0;
  for (const expected of order) {
    if (at < items.length && sameItem(items[at], expected, mergeKey)) at++;
  }
  if (at < items.length) {
    throw failed(`The order in patch list:\n${goFormat(patchList)}\n doesn't match ${directives.setOrder.slice(0, -1)} list:\n${goFormat(order)}\n`);
  }
}

interface Ordered {
  readonly target: Fields;
  readonly patch: Fields;
  readonly schema: Schema | undefined;
  readonly done: Set<string>;
}

/** Merges each list that comes with a `$setElementOrder`, and puts it in that order. */
function mergeOrderedLists({ target, patch, schema, done }: Ordered): void {
  for (const key in patch) {
    if (!key.startsWith(directives.setOrder)) continue;
    const value = patch[key];
    done.add(key);
    const name = key.slice(directives.setOrder.length);
    const field = fieldOf(schema, name);
    const mergeKey = field?.patchMergeKey ?? '';
    const order = listOf(value);
    if (!order) throw malformed('invalid patch format of setElementOrder list');
    const before = listOf(target[name]);
    const change = listOf(patch[name]);
    done.add(name);
    if (!before && !change) continue;
    checkOrder(change ?? [], order, mergeKey);
    let merged: readonly unknown[] = before ?? [];
    if (change) merged = before ? mergeLists({ before, change, field, isDeletion: false }) : (dropDirectives(withoutNulls(change)) as readonly unknown[]);
    setOwn(target, name, mergeInOrder({ merged, order, before: before ?? [], mergeKey }));
  }
}

interface ListMerge {
  readonly before: readonly unknown[];
  readonly change: readonly unknown[];
  readonly field: FieldSchema | undefined;
  readonly isDeletion: boolean;
}

function mergeLists({ before, change, field, isDeletion }: ListMerge): readonly unknown[] {
  if (strategyOf(field) !== 'merge') return [...change];
  if (before.length === 0 && change.length === 0) return [];
  const mergeKey = field?.patchMergeKey ?? '';
  const items = [...before, ...change];
  if (items.some((item) => Array.isArray(item))) throw inapplicable('lists of lists are not supported');
  if (!items.every((item) => isRecord(item)) && items.some((item) => isRecord(item))) throw failed(`list element types are not identical: [${goFormat(before)} ${goFormat(change)}]`);
  if (!isRecord(items[0])) {
    if (isDeletion) {
      const unwanted = new Set(change);
      return before.filter((item) => !unwanted.has(item));
    }
    return mergeOrdered({ merged: [...new Set(items)], change, before, mergeKey: '' });
  }
  const itemSchema = field?.schema.type === 'list' ? field.schema.items : undefined;
  return mergeMapLists({ before: before as Fields[], change: change as Fields[], mergeKey, itemSchema });
}

function keyOf(item: Fields, mergeKey: string): unknown {
  if (item[mergeKey] === undefined) throw failed(`map: ${goFormat(item)} does not contain declared merge key: ${mergeKey}`);
  return item[mergeKey];
}

function mergeMapLists(options: { before: readonly Fields[]; change: readonly Fields[]; mergeKey: string; itemSchema: Schema | undefined }): readonly unknown[] {
  const { change, mergeKey, itemSchema } = options;
  if (mergeKey === '') throw failed('cannot merge lists without merge key for type struct');
  let plain: Fields[] = [];
  let isReplaced = false;
  const deleted = new Set<unknown>();
  for (const item of change) {
    const directive = item[directives.patch];
    if (directive === undefined) plain.push(item);
    else if (directive === 'delete') {
      deleted.add(keyOf(item, mergeKey));
    } else if (directive === 'replace') isReplaced = true;
    else if (directive === 'merge') throw failed('merging lists cannot yet be specified in the patch');
    else throw failed(`unknown patch type: ${String(directive)} in map: ${goFormat(item)}`);
  }
  let before = deleted.size > 0 ? options.before.filter((item) => !deleted.has(item[mergeKey])) : options.before;
  if (isReplaced) {
    before = plain;
    plain = [];
  }
  const merged = [...before];
  const places = new Map<unknown, number>();
  merged.forEach((item, i) => places.has(item[mergeKey]) || places.set(item[mergeKey], i));
  for (const item of plain) {
    const key = keyOf(item, mergeKey);
    const at = places.get(key);
    if (at === undefined) {
      places.set(key, merged.length);
      merged.push(withoutNulls(item) as Fields);
    } else merged[at] = mergeMaps(merged[at] ?? {}, item, itemSchema);
  }
  for (const item of merged) keyOf(item, mergeKey);
  return mergeOrdered({ merged, change: plain, before, mergeKey });
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return value === null ? 'null' : typeof value;
}

function mergeMember(target: Fields, options: { name: string; value: unknown; schema: Schema | undefined; isDeletion: boolean }): void {
  const { name, value, schema, isDeletion } = options;
  if (value === null) {
    delete target[name];
    return;
  }
  const before = Object.hasOwn(target, name) ? target[name] : undefined;
  if (before === undefined || kindOf(before) !== kindOf(value)) {
    if (!isDeletion) setOwn(target, name, dropDirectives(withoutNulls(value)));
    return;
  }
  const field = fieldOf(schema, name);
  if (isRecord(value)) {
    setOwn(target, name, strategyOf(field) === 'replace' ? value : mergeMaps(before as Fields, value, schemaUnder(schema, name)));
  } else if (Array.isArray(value)) {
    setOwn(target, name, mergeLists({ before: before as unknown[], change: value, field, isDeletion }));
  } else {
    setOwn(target, name, value);
  }
}

/** Is there a directive among the members? All of them begin alike. */
function saysHow(patch: Fields): boolean {
  for (const key in patch) if (key.startsWith('$')) return true;
  return false;
}

function mergeMaps(before: Fields, patch: Fields, schema: Schema | undefined): Fields {
  const directive = patch[directives.patch];
  if (directive === 'replace') {
    const { [directives.patch]: _directive, ...rest } = patch;
    return rest;
  }
  if (directive === 'delete') return {};
  if (directive !== undefined) throw failed(`unknown patch type: ${String(directive)} in map: ${goFormat(patch)}`);
  const target: Fields = { ...before };
  const done = saysHow(patch) ? new Set<string>([directives.retainKeys]) : undefined;
  if (done) {
    applyRetainKeys(target, patch);
    mergeOrderedLists({ target, patch, schema, done });
  }
  for (const key in patch) {
    if (done?.has(key)) continue;
    const isDeletion = key.startsWith(directives.deleteFromList);
    const name = isDeletion ? key.slice(directives.deleteFromList.length) : key;
    mergeMember(target, { name, value: patch[key], schema, isDeletion });
  }
  return target;
}

/**
 * Applies a strategic merge patch: lists merge by the schema's merge keys, with `$patch`, `$retainKeys`,
 * `$setElementOrder/…` and `$deleteFromPrimitiveList/…`. Fields that the schema does not know merge as plain JSON.
 * Arguments are not changed, and the result shares parts with both. Throws PatchError.
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown, schema: Schema): unknown {
  if (!isRecord(patch)) throw malformed('invalid JSON document');
  return mergeMaps(isRecord(target) ? target : {}, patch, schema);
}

