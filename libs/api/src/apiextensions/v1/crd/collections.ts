import type { FieldPath } from '../../../validation/field-path.ts';
import { type Schema, itemsOf } from './schema-node.ts';

/** x-kubernetes-map-type: of objects only. */
export function checkMapType(schema: Schema, at: FieldPath): void {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  checkHolder(schema, at, { type: 'object', extension: 'x-kubernetes-map-type' });
  if (mapType !== 'atomic' && mapType !== 'granular') at.child('x-kubernetes-map-type').notSupported(mapType, ['atomic', 'granular']);
}

function checkHolder(schema: Schema, at: FieldPath, wanted: { type: string; extension: string }): boolean {
  if (schema.type === wanted.type) return true;
  const why = `must be ${wanted.type} if ${wanted.extension} is specified`;
  if (schema.type) at.child('type').invalid(schema.type, why);
  else at.child('type').required(why);
  return false;
}

/** What sets hold is compared whole. */
function checkSetItems(items: Schema, at: FieldPath): void {
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const [listType, mapType] = [items['x-kubernetes-list-type'], items['x-kubernetes-map-type']];
  if (items.type === 'array' && listType !== undefined && listType !== 'atomic') at.child('items').child('x-kubernetes-list-type').invalid(listType, why);
  if (items.type === 'object' && mapType !== 'atomic') at.child('items').child('x-kubernetes-map-type').invalid(null, why);
}

function checkMapItems(schema: Schema, at: FieldPath, keys: readonly string[]): void {
  if (!keys.length) at.child('x-kubernetes-list-map-keys').required('must not be empty if x-kubernetes-list-type is map');
  const items = itemsOf(schema);
  if (schema.items === undefined) return at.child('items').required('must have a schema if x-kubernetes-list-type is map');
  if (!items) return at.child('items').invalid(schema.items, 'must only have a single schema if x-kubernetes-list-type is map');
  if (items.type !== 'object') return at.child('items').child('type').invalid(items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map");
  const seen = new Set<string>();
  const properties = (items.properties ?? {}) as Record<string, Schema>;
  for (const key of keys) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!property) at.child('x-kubernetes-list-map-keys').invalid(keys, 'entries must all be names of item properties');
    else if (property.type === 'array' || property.type === 'object') {
      at.child('items').child('properties').at(key).child('type').invalid(items.type, "must be a scalar type if parent array's x-kubernetes-list-type is map");
    }
    if (seen.has(key)) at.child('x-kubernetes-list-map-keys').invalid(keys, 'must not contain duplicate entries');
    seen.add(key);
  }
}

/** Keys are always there: required or with a default, and never null. */
function checkKeysSet(schema: Schema, at: FieldPath, keys: readonly string[]): void {
  const items = itemsOf(schema);
  if (!items) return;
  if (items.nullable) at.child('items').child('nullable').forbidden(`cannot be nullable when x-kubernetes-list-type is ${String(schema['x-kubernetes-list-type'])}`);
  if (schema['x-kubernetes-list-type'] !== 'map') return;
  for (const key of keys) {
    const property = (items.properties as Record<string, Schema> | undefined)?.[key];
    if (!property) continue;
    const path = at.child('items').child('properties').at(key);
    if (!items.required?.includes(key) && (property.default === undefined || property.default === null)) {
      path.child('default').required('this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property');
    }
    if (property.nullable) path.child('nullable').forbidden('this property is in x-kubernetes-list-map-keys, so it cannot be nullable');
  }
}

/** x-kubernetes-list-type and the keys of maps. */
export function checkListType(schema: Schema, at: FieldPath): void {
  const listType = schema['x-kubernetes-list-type'] as string | undefined;
  const keys = (schema['x-kubernetes-list-map-keys'] ?? []) as readonly string[];
  if (listType !== undefined && checkHolder(schema, at, { type: 'array', extension: 'x-kubernetes-list-type' }) && listType === 'set') {
    const items = itemsOf(schema);
    if (items) checkSetItems(items, at);
  }
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) at.child('x-kubernetes-list-type').notSupported(listType, ['atomic', 'set', 'map']);
  if (keys.length && listType !== 'map') {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    if (listType === undefined) at.child('x-kubernetes-list-type').required(why);
    else at.child('x-kubernetes-list-type').invalid(listType, why);
  }
  if (listType === 'map') checkMapItems(schema, at, keys);
  if (listType === 'map' || listType === 'set') checkKeysSet(schema, at, keys);
}
