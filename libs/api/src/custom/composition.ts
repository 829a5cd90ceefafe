import { isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import { type Findings, type JsonSchema, type Node, judgeNode } from './json-schema.ts';

const schemas = (schema: JsonSchema, name: string): readonly JsonSchema[] => (Array.isArray(schema[name]) ? (schema[name] as JsonSchema[]) : []);

/** Whole-value rules have no field of their own in upstream's answers. */
function composed(text: string): FieldError {
  return fieldError.invalid('<nil>', '', text);
}

/** Within alternatives nothing is let through for not having changed. */
function under(node: Node, schema: JsonSchema): Findings {
  const found: Findings = { errors: [], matched: 0 };
  judgeNode({ ...node, schema, old: undefined }, found);
  return found;
}

function merge(found: Findings, part: Findings | undefined): void {
  if (!part) return;
  found.errors.push(...part.errors);
  found.matched += part.matched;
}

const closest = (failures: readonly Findings[]): Findings | undefined => failures.reduce<Findings | undefined>((best, one) => (best && best.matched >= one.matched ? best : one), undefined);

function checkAnyOf(node: Node, found: Findings): void {
  const parts = schemas(node.schema, 'anyOf');
  if (!parts.length) return;
  const failures: Findings[] = [];
  for (const part of parts) {
    const result = under(node, part);
    if (!result.errors.length) return merge(found, result);
    failures.push(result);
  }
  found.errors.push(composed(`${JSON.stringify(node.path)} must validate at least one schema (anyOf)`));
  merge(found, closest(failures));
}

function checkOneOf(node: Node, found: Findings): void {
  const parts = schemas(node.schema, 'oneOf');
  if (!parts.length) return;
  const results = parts.map((part) => under(node, part));
  const valid = results.filter(({ errors }) => !errors.length);
  if (valid.length === 1) return merge(found, valid[0]);
  const why = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`;
  found.errors.push(composed(`${JSON.stringify(node.path)} must validate one and only one schema (oneOf). ${why}`));
  if (!valid.length) merge(found, closest(results));
}

function checkAllOf(node: Node, found: Findings): void {
  const results = schemas(node.schema, 'allOf').map((part) => under(node, part));
  for (const result of results) merge(found, result);
  const failed = results.filter(({ errors }) => errors.length).length;
  if (failed) found.errors.push(composed(`${JSON.stringify(node.path)} must validate all the schemas (allOf)${failed === results.length ? '. None validated' : ''}`));
}

/** anyOf, oneOf, allOf and not, in this order; of alternatives that all fail, the one that came furthest is told of. */
export function checkComposition(node: Node, found: Findings): void {
  const { schema, path } = node;
  checkAnyOf(node, found);
  checkOneOf(node, found);
  checkAllOf(node, found);
  if (isRecord(schema['not']) && !under(node, schema['not']).errors.length) found.errors.push(composed(`${JSON.stringify(path)} must not validate the schema (not)`));
  found.matched += 2;
}
