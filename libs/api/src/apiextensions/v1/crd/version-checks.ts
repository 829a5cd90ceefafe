import type { CustomResourceColumnDefinition, CustomResourceSubresourceScale, SelectableField } from '../../../../gen/types.ts';
import { checkRuleExpressions } from '../../../custom/cel/rule-expressions.ts';
import type { JsonSchema } from '../../../custom/json-schema.ts';
import { type FieldPath } from '../../../validation/field-path.ts';
import { checkDefaults } from './defaults.ts';
import { findField } from './field-reference.ts';
import { checkOpenApiSchema, unsupportedProblem } from './open-api-schema.ts';
import type { Schema } from './schema-node.ts';
import { structuralProblems } from './structural.ts';
import type { Parts } from './version-parts.ts';

/** Fields of the root that may stand beside a status subresource: upstream's names, and ours. */
const besideStatus: readonly [string, string][] = [
  'Description', 'Type', 'Format', 'Title', 'Maximum', 'ExclusiveMaximum', 'Minimum', 'ExclusiveMinimum', 'MaxLength', 'MinLength', 'Pattern', 'MaxItems', 'MinItems', 'UniqueItems', 'MultipleOf',
  'Required', 'Items', 'Properties', 'ExternalDocs', 'Example',
].map((name): [string, string] => [name, name.charAt(0).toLowerCase() + name.slice(1)]);
const allowed = [...besideStatus, ['XPreserveUnknownFields', 'x-kubernetes-preserve-unknown-fields'], ['XValidations', 'x-kubernetes-validations']];
const allowedNames = new Set(allowed.map(([, name]) => name));
const allowedText = `only [${allowed.map(([name]) => name).join(' ')}] fields are allowed at the root of the schema if the status subresource is enabled`;

const isZero = (value: unknown): boolean => value === undefined || value === null || value === false || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);

function checkRoot(schema: Schema, at: FieldPath): void {
  const said = Object.keys(schema).filter((name) => !isZero(schema[name]));
  if (said.includes('type') && schema.type !== 'object') at.child('type').invalid(schema.type, 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled');
  else if (said.some((name) => !allowedNames.has(name))) at.invalid(schema, allowedText);
}

/** The schema of a version: structural, with defaults that fit it, and of what OpenAPI knows only what Kubernetes takes. */
function checkSchema(schema: Schema, at: FieldPath, hasStatus: boolean): void {
  const { errors } = at;
  const before = errors.length;
  if (hasStatus) checkRoot(schema, at);
  if (schema.nullable) at.child('nullable').forbidden('nullable cannot be true at the root');
  const unsupported = unsupportedProblem(schema);
  if (unsupported === undefined) {
    const problems = structuralProblems(schema, at.path);
    if (problems.length) errors.push(...problems);
    else checkDefaults(schema, at);
  }
  checkOpenApiSchema(schema, at);
  if (unsupported !== undefined && errors.length === before) at.invalid('', unsupported);
  // What does not hold together as a schema gives rules no types to speak of.
  if (errors.length === before) checkRuleExpressions(schema as JsonSchema, at);
}

function checkSimplePath(path: string, at: FieldPath): boolean {
  if (path.startsWith('.')) return true;
  at.invalid(path, 'must be a simple json path starting with .');
  return false;
}

function checkScale({ specReplicasPath: spec, statusReplicasPath: status, labelSelectorPath: selector }: CustomResourceSubresourceScale, at: FieldPath): void {
  const [specAt, statusAt, selectorAt] = ['specReplicasPath', 'statusReplicasPath', 'labelSelectorPath'].map((name) => at.child(`scale.${name}`)) as [FieldPath, FieldPath, FieldPath];
  if (!spec) specAt.required();
  else if (checkSimplePath(spec, specAt) && !spec.startsWith('.spec.')) specAt.invalid(spec, 'should be a json path under .spec');
  if (!status) statusAt.required();
  else if (checkSimplePath(status, statusAt) && !status.startsWith('.status.')) statusAt.invalid(status, 'should be a json path under .status');
  if (selector && checkSimplePath(selector, selectorAt) && !/^\.(spec|status)\./.test(selector)) selectorAt.invalid(selector, 'should be a json path under either .spec or .status');
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function checkColumn({ name, type, format, jsonPath }: CustomResourceColumnDefinition, at: FieldPath): void {
  if (!name) at.child('name').required();
  const types = `must be one of ${columnTypes.join()}`;
  if (!type) at.child('type').required(types);
  else if (!columnTypes.includes(type)) at.child('type').invalid(type, types);
  if (format && !columnFormats.includes(format)) at.child('format').invalid(format, `must be one of ${columnFormats.join()}`);
  if (!jsonPath) at.child('JSONPath').required();
  else checkSimplePath(jsonPath, at.child('JSONPath'));
}

const maxSelectable = 8;
const selectableTypes = ['string', 'boolean', 'integer'];

function checkSelectable(fields: readonly SelectableField[], at: FieldPath, schema: Schema): void {
  const unique = new Set<string>();
  for (const [i, { jsonPath }] of fields.entries()) {
    const path = at.at(i).child('jsonPath');
    if (!jsonPath) {
      path.required();
      continue;
    }
    const found = findField(jsonPath, schema);
    if (typeof found === 'string') {
      path.invalid(jsonPath, `is an invalid path: ${found}`);
      continue;
    }
    if (found.names[0] === 'metadata') path.invalid(jsonPath, 'must not point to fields in metadata');
    if (!selectableTypes.includes(found.schema.type ?? '')) path.invalid(jsonPath, 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.');
    const identity = JSON.stringify(found.names);
    if (unique.has(identity)) path.duplicate(jsonPath);
    unique.add(identity);
  }
  if (unique.size > maxSelectable) at.tooMany(unique.size, maxSelectable);
}

/** The schema, subresources, columns and selectable fields of a version, or of all. */
export function checkParts({ schema, subresources, columns, selectable, hasStatus }: Parts): void {
  if (schema) checkSchema(schema.value, schema.at, hasStatus);
  if (subresources?.value.scale) checkScale(subresources.value.scale, subresources.at);
  for (const [i, column] of (columns?.value ?? []).entries()) if (columns) checkColumn(column, columns.at.at(i));
  if (!selectable?.value.length) return;
  if (selectable.schema) checkSelectable(selectable.value, selectable.at, selectable.schema);
  else selectable.at.invalid('', 'selectableFields may only be set when version.schema.openAPIV3Schema is not included');
}
