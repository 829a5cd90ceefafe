import type { JSONSchemaProps } from '../../../../gen/types.ts';
import { cloneJson } from '@orrery/apimachinery';
import { applySchemaDefaults } from '../../../custom/defaulting.ts';
import { validateAgainstSchema } from '../../../custom/json-schema.ts';
import { compilePattern } from '../../../custom/pattern.ts';
import type { FieldPath } from '../../../validation/field-path.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** As the API spells it: extensions have dashes that the generated names may not. */
type Schema = JSONSchemaProps & Readonly<Record<string, unknown>>;

const flag = (schema: Schema, name: string): boolean => schema[name] === true;
const isAnyType = (schema: Schema): boolean => flag(schema, 'x-kubernetes-int-or-string') || flag(schema, 'x-kubernetes-preserve-unknown-fields');

function checkNode(schema: Schema, { at, isRoot }: { at: FieldPath; isRoot: boolean }): void {
  const type = schema.type ?? '';
  if (isRoot && type !== 'object') {
    if (type === '') at.child('type').required('must not be empty at the root');
    else at.child('type').invalid(type, 'must be object at the root');
  } else if (type === '' && !isAnyType(schema)) at.child('type').required('must not be empty for specified object fields');
  else if (type !== '' && !types.includes(type)) at.child('type').notSupported(type, types);
  if (flag(schema, 'x-kubernetes-int-or-string') && type !== '') at.child('type').invalid(type, 'must be empty if x-kubernetes-int-or-string is true');
  for (const forbidden of ['$ref', 'definitions', 'dependencies', 'id', 'patternProperties'] as const) {
    if (schema[forbidden] !== undefined) at.child(forbidden).forbidden(`${forbidden} is not supported`);
  }
  if (schema.additionalProperties === false) at.child('additionalProperties').forbidden('must not be used with false');
  if (schema.properties && typeof schema.additionalProperties === 'object') at.child('additionalProperties').forbidden('must not be used together with properties');
  if (schema.uniqueItems) at.child('uniqueItems').forbidden('uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  checkLists(schema, at);
  for (const [i, { rule }] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    if (!rule?.trim()) at.child('x-kubernetes-validations').at(i).child('rule').required('rule is not specified');
  }
  if (schema.pattern !== undefined && !compilePattern(schema.pattern)) at.child('pattern').invalid(schema.pattern, 'must be a valid regular expression');
  if (!isRoot && schema.default !== undefined) checkDefault(schema, at.child('default'));
}

/** A default must itself be what the schema asks for. */
function checkDefault(schema: Schema, at: FieldPath): void {
  const object = { default: cloneJson(schema.default) as unknown };
  applySchemaDefaults(object, { type: 'object', properties: { default: schema } });
  for (const problem of validateAgainstSchema(object, { type: 'object', properties: { default: schema } })) {
    at.errors.push({ ...problem, field: problem.field.replace(/^default/, at.path) });
  }
}

function checkLists(schema: Schema, at: FieldPath): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] as readonly string[] | undefined;
  if (listType !== undefined && schema.type !== 'array') at.child('type').invalid(schema.type ?? '', 'must be array if x-kubernetes-list-type is specified');
  if (listType !== undefined) at.child('x-kubernetes-list-type').oneOf(String(listType), ['atomic', 'map', 'set']);
  if (listType === 'map' && !keys?.length) at.child('x-kubernetes-list-map-keys').required('must not be empty if x-kubernetes-list-type is map');
  if (listType !== 'map' && keys?.length) at.child('x-kubernetes-list-type').required('must be map if x-kubernetes-list-map-keys is non-empty');
  if (schema.type === 'array' && !schema.items) at.child('items').required('must be specified');
}

/** Every field that is named has one known type: what pruning and server-side apply rest upon. */
export function checkStructural(root: JSONSchemaProps, at: FieldPath): void {
  const visit = (schema: Schema, { path, isRoot }: { path: FieldPath; isRoot: boolean }): void => {
    checkNode(schema, { at: path, isRoot });
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (isRoot && (name === 'metadata' || name === 'apiVersion' || name === 'kind')) {
        if (property.type === undefined) path.child('properties').at(name).child('type').required('must not be empty for specified object fields');
        continue;
      }
      visit(property as Schema, { path: path.child('properties').at(name), isRoot: false });
    }
    if (schema.items && typeof schema.items === 'object') visit(schema.items as Schema, { path: path.child('items'), isRoot: false });
    const more = schema.additionalProperties;
    if (more && typeof more === 'object') visit(more as Schema, { path: path.child('additionalProperties'), isRoot: false });
  };
  visit(root as Schema, { path: at, isRoot: true });
}
