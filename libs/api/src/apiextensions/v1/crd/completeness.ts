import type { FieldPath } from '../../../validation/field-path.ts';
import { type Schema, alternativesOf, itemsOf, negated, propertiesOf } from './schema-node.ts';

interface Place {
  /** The schema outside of value validation that must say the same; undefined: it does not. */
  readonly schema: Schema | undefined;
  readonly at: FieldPath;
  /** Where the value validation stands. */
  readonly said: FieldPath;
}

function checkAlternatives(values: Schema, { schema, at, said }: Place): void {
  const not = negated(values);
  if (not) checkSaid(not, { schema, at, said: said.child('not') });
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [i, part] of alternativesOf(values, name).entries()) checkSaid(part, { schema, at, said: said.child(name).at(i) });
  }
}

function checkSaid(values: Schema, place: Place): void {
  const { schema, at, said } = place;
  if (!schema) return at.required(`because it is defined in ${said.path}`);
  checkAlternatives(values, place);
  const items = itemsOf(values);
  if (items) checkSaid(items, { schema: itemsOf(schema), at: at.child('items'), said: said.child('items') });
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  for (const [name, property] of propertiesOf(values)) {
    checkSaid(property, { schema: Object.hasOwn(properties, name) ? properties[name] : undefined, at: at.child('properties').at(name), said: said.child('properties').at(name) });
  }
}

/** What allOf and the like say about a field must stand outside of them too: the root's alternatives are looked at. */
export function checkCompleteness(root: Schema, at: FieldPath): void {
  checkAlternatives(root, { schema: root, at, said: at });
}
