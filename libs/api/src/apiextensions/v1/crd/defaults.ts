import { cloneJson, deepEqual } from '@orrery/apimachinery';
import { embeddedProblems } from '../../../custom/embedded.ts';
import { validateAgainstSchema } from '../../../custom/json-schema.ts';
import { customSchema } from '../../../schema/custom-schema.ts';
import { decodeValue } from '../../../schema/decode.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { type Schema, itemsOf, propertiesOf } from './schema-node.ts';

/** Without the fields that the schema does not know. */
function pruned(value: unknown, schema: Schema): unknown {
  const { object } = decodeValue({ default: cloneJson(value) }, customSchema({ type: 'object', properties: { default: schema } }), 'Ignore');
  return (object as { default?: unknown }).default;
}

function checkDefault(schema: Schema, at: FieldPath): void {
  const value: unknown = schema.default;
  if (typeof value === 'object' && !deepEqual(pruned(value, schema), value)) at.invalid(value, 'must not have unknown fields');
  const embedded = embeddedProblems(value, schema, at.path);
  if (embedded.length) at.errors.push(...embedded);
  else at.errors.push(...validateAgainstSchema(value, schema).map((problem) => ({ ...problem, field: problem.field === '<nil>' ? at.path : `${at.path}.${problem.field}` })));
}

/** Defaults must themselves be what the schema asks for, with nothing that it would drop. */
export function checkDefaults(schema: Schema, at: FieldPath): void {
  if (schema.default !== undefined && schema.default !== null) checkDefault(schema, at.child('default'));
  const items = itemsOf(schema);
  if (items) checkDefaults(items, at.child('items'));
  for (const [name, property] of propertiesOf(schema)) checkDefaults(property, at.child('properties').at(name));
}
