import { deepEqual } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import { patternProblem } from '../../../custom/pattern.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkCompleteness } from './completeness.ts';
import { type Schema, additionalOf, alternativesOf, flag, itemsOf, negated, propertiesOf } from './schema-node.ts';

type Level = 'root' | 'item' | 'field';

const intOrString = [{ type: 'integer' }, { type: 'string' }];
const isIntOrString = (schema: Schema): boolean => deepEqual(schema.anyOf, intOrString);

/** Which alternatives are the spelled-out form of int-or-string, and so not judged. */
interface Skip {
  readonly anyOf: boolean;
  readonly firstAllOf: boolean;
}

const noSkip: Skip = { anyOf: false, firstAllOf: false };
const untyped: Readonly<Record<Level, string>> = { root: 'must not be empty at the root', item: 'must not be empty for specified array items', field: 'must not be empty for specified object fields' };

/** What only the main schema may say, not those within allOf and the like. */
const outside: readonly [string, 'empty' | 'undefined' | 'false'][] = [
  ['type', 'empty'], ['additionalProperties', 'undefined'], ['default', 'undefined'], ['title', 'empty'], ['description', 'empty'], ['nullable', 'false'], ['externalDocs', 'undefined'],
  ['x-kubernetes-preserve-unknown-fields', 'false'], ['x-kubernetes-embedded-resource', 'false'], ['x-kubernetes-int-or-string', 'false'],
  ['x-kubernetes-list-map-keys', 'empty'], ['x-kubernetes-list-type', 'undefined'], ['x-kubernetes-map-type', 'undefined'], ['x-kubernetes-validations', 'empty'],
];

function isSaid(value: unknown, kind: 'empty' | 'undefined' | 'false'): boolean {
  if (value === undefined || value === null) return false;
  if (kind === 'false') return value === true;
  return kind === 'undefined' || (Array.isArray(value) || typeof value === 'string' ? value.length > 0 : true);
}

function checkNested(schema: Schema, at: FieldPath, skip: Skip): void {
  checkValues(schema, at, skip);
  const items = itemsOf(schema);
  if (items) checkNested(items, at.child('items'), noSkip);
  for (const [name, property] of propertiesOf(schema)) checkNested(property, at.child('properties').at(name), noSkip);
  for (const [name, kind] of outside) if (isSaid(schema[name], kind)) at.child(name).forbidden(`must be ${kind} to be structural`);
  if (schema.properties?.['metadata']) at.child('properties').at('metadata').forbidden('must not be specified in a nested context');
}

function checkValues(schema: Schema, at: FieldPath, skip: Skip): void {
  if (!skip.anyOf) for (const [i, part] of alternativesOf(schema, 'anyOf').entries()) checkNested(part, at.child('anyOf').at(i), noSkip);
  for (const [i, part] of alternativesOf(schema, 'allOf').entries()) checkNested(part, at.child('allOf').at(i), { anyOf: skip.firstAllOf && i === 0, firstAllOf: false });
  for (const [i, part] of alternativesOf(schema, 'oneOf').entries()) checkNested(part, at.child('oneOf').at(i), noSkip);
  const not = negated(schema);
  if (not) checkNested(not, at.child('not'), noSkip);
  const problem = schema.pattern ? patternProblem(schema.pattern) : undefined;
  if (problem !== undefined) at.child('pattern').invalid(schema.pattern, `must be a valid regular expression, but isn't: ${problem}`);
}

function checkType(schema: Schema, at: FieldPath, level: Level): void {
  const type = schema.type ?? '';
  const embedded = flag(schema, 'x-kubernetes-embedded-resource');
  if (embedded && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    if (type === '') at.child('type').required(why);
    else at.child('type').invalid(type, why);
  } else if (type === '' && !flag(schema, 'x-kubernetes-int-or-string') && !flag(schema, 'x-kubernetes-preserve-unknown-fields')) at.child('type').required(untyped[level]);
  if (embedded && schema.additionalProperties !== undefined) at.child('additionalProperties').forbidden('must not be used if x-kubernetes-embedded-resource is set');
  if (level === 'root' && type !== '' && type !== 'object') at.child('type').invalid(type, 'must be object at the root');
  if (embedded && !flag(schema, 'x-kubernetes-preserve-unknown-fields') && propertiesOf(schema).length === 0) {
    at.child('properties').required('must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields');
  }
}

/** metadata at the root is given; only its names may be restricted. */
function checkMetadata(metadata: Schema, at: FieldPath, options: { isResource: boolean; level: Level }): void {
  if (options.isResource && metadata.type !== 'object') at.child('type').invalid(metadata.type ?? '', 'must be object');
  if (options.level !== 'root') return;
  const names = propertiesOf(metadata).map(([name]) => name);
  const isNames = names.every((name) => name === 'name' || name === 'generateName');
  const rest = Object.entries(metadata).filter(([name, value]) => !['type', 'default', ...(isNames ? ['properties'] : [])].includes(name) && isSaid(value, 'empty') && value !== false);
  if (rest.length) at.forbidden('must not specify anything other than name and generateName, but metadata is implicitly specified');
}

function checkResourceFields(schema: Schema, at: FieldPath, level: Level): void {
  const isResource = level === 'root' || flag(schema, 'x-kubernetes-embedded-resource');
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  for (const name of ['kind', 'apiVersion']) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (isResource && property && property.type !== 'string') at.child('properties').at(name).child('type').invalid(property.type ?? '', 'must be string');
  }
  if (Object.hasOwn(properties, 'metadata')) checkMetadata(properties['metadata'] as Schema, at.child('properties').at('metadata'), { isResource, level });
}

function checkNode(schema: Schema, at: FieldPath, level: Level): void {
  if (schema.type === 'array' && schema.items === undefined) at.child('items').required('must be specified');
  const items = itemsOf(schema);
  if (items) checkNode(items, at.child('items'), 'item');
  for (const [name, property] of propertiesOf(schema)) checkNode(property, at.child('properties').at(name), 'field');
  if (schema.additionalProperties !== undefined && level === 'root') at.child('additionalProperties').forbidden('must not be used at the root');
  const more = additionalOf(schema);
  if (more) checkNode(more, at.child('additionalProperties'), 'field');
  for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource']) {
    if (flag(schema, 'x-kubernetes-int-or-string') && flag(schema, name)) at.child(name).invalid(true, 'must be false if x-kubernetes-int-or-string is true');
  }
  const [first] = alternativesOf(schema, 'allOf');
  checkValues(schema, at, { anyOf: isIntOrString(schema), firstAllOf: first !== undefined && isIntOrString(first) });
  checkType(schema, at, level);
  checkResourceFields(schema, at, level);
}

/**
 * Is every field that is named given one known type, outside of value validation: what pruning, defaults and server-side
 * apply rest upon? Problems come sorted by their text.
 */
export function structuralProblems(root: Schema, path: string): FieldError[] {
  const errors = findProblems((at) => {
    checkNode(root, at, 'root');
    checkCompleteness(root, at);
  }, path);
  const texts = new Map(errors.map((error) => [error, `${error.field}: ${error.message}`]));
  return errors.sort((a, b) => ((texts.get(a) ?? '') < (texts.get(b) ?? '') ? -1 : 1));
}
