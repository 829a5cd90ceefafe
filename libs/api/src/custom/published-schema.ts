import { deepEqual, isRecord } from '@orrery/apimachinery';

type JsonObject = { readonly [key: string]: unknown };

/** What a schema says and documents do not: it is for the definition's reader, or of no OpenAPI. */
const unpublished = new Set(['$schema', 'id', 'example', 'definitions', 'dependencies', 'patternProperties', 'additionalItems', '$ref']);
const alternatives = new Set(['allOf', 'anyOf', 'oneOf', 'not']);
const intOrString = [{ type: 'integer' }, { type: 'string' }];

const isTrue = (schema: JsonObject, name: string): boolean => schema[name] === true;
const members = (value: unknown, change: (member: JsonObject) => JsonObject): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, change(member as JsonObject)])) : value;

function isSpelledOut({ anyOf, allOf }: JsonObject): boolean {
  return deepEqual(anyOf, intOrString) || (Array.isArray(allOf) && deepEqual((allOf[0] as JsonObject | undefined)?.['anyOf'], intOrString));
}

/** int-or-string in the words of OpenAPI v3. */
function unfolded(schema: JsonObject): JsonObject {
  if (!isTrue(schema, 'x-kubernetes-int-or-string') || isSpelledOut(schema)) return schema;
  return schema['anyOf'] === undefined ? { ...schema, anyOf: intOrString } : { ...schema, allOf: [{ anyOf: intOrString }, ...((schema['allOf'] as unknown[] | undefined) ?? [])] };
}

function asV3(source: JsonObject): JsonObject {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(unfolded(source))) {
    if (unpublished.has(key)) continue;
    if (key === 'properties') out[key] = members(value, asV3);
    else if ((key === 'items' || key === 'additionalProperties') && isRecord(value)) out[key] = asV3(value);
    else out[key] = value;
  }
  return out;
}

/** Fields that may be null are not required, as v2 cannot say that. */
function requiredV2({ required, properties, additionalProperties }: JsonObject): unknown {
  if (isRecord(additionalProperties) && additionalProperties['nullable'] === true) return undefined;
  if (!Array.isArray(required) || !isRecord(properties)) return required;
  const left = required.filter((name) => (properties[String(name)] as JsonObject | undefined)?.['nullable'] !== true);
  return left.length ? left : undefined;
}

/**
 * As OpenAPI v2 can say it, and kubectl can live with: no alternatives; what may be null has no type; what keeps unknown
 * fields has neither type nor fields.
 */
function asV2(source: JsonObject): JsonObject {
  const keepsAll = isTrue(source, 'x-kubernetes-preserve-unknown-fields');
  const isOpen = keepsAll || isTrue(source, 'nullable');
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries({ ...source, required: requiredV2(source) })) {
    if (value === undefined || unpublished.has(key) || alternatives.has(key) || key === 'nullable') continue;
    if (isOpen && (key === 'items' || key === 'properties')) continue;
    if (key === 'properties') out[key] = members(value, asV2);
    else if ((key === 'items' || key === 'additionalProperties') && isRecord(value)) out[key] = asV2(value);
    else out[key] = value;
  }
  const isUntyped = isTrue(source, 'nullable') || (out['type'] === 'array' && out['items'] === undefined) || (keepsAll && out['type'] === 'object');
  if (isUntyped) delete out['type'];
  return out;
}

/** The fields that make an object a resource, as references of the document that is written. */
export interface ResourceFields {
  readonly apiVersion: JsonObject;
  readonly kind: JsonObject;
  readonly metadata: JsonObject;
}

/** Embedded resources have the fields of resources. */
function withEmbedded(schema: JsonObject, fields: ResourceFields, flavor: 'v2' | 'v3'): JsonObject {
  const out: Record<string, unknown> = { ...schema };
  if (out['properties'] !== undefined) out['properties'] = members(out['properties'], (member) => withEmbedded(member, fields, flavor));
  for (const key of ['items', 'additionalProperties']) if (isRecord(out[key])) out[key] = withEmbedded(out[key], fields, flavor);
  if (!isTrue(schema, 'x-kubernetes-embedded-resource') || (flavor === 'v2' && isTrue(schema, 'x-kubernetes-preserve-unknown-fields'))) return out;
  const required = (schema['required'] as string[] | undefined) ?? [];
  return { ...out, properties: { ...(out['properties'] as JsonObject | undefined), ...fields }, required: [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))] };
}

/**
 * The schema of a custom resource as the server's documents publish it. In v2 one that keeps unknown fields at its root is
 * an object and no more: kubectl would take its fields for all there are.
 */
export function publishedSchema(source: JsonObject, options: { readonly flavor: 'v2' | 'v3'; readonly fields: ResourceFields }): JsonObject {
  const { flavor, fields } = options;
  if (flavor === 'v2' && isTrue(source, 'x-kubernetes-preserve-unknown-fields')) return { type: 'object' };
  const schema = withEmbedded(flavor === 'v2' ? asV2(source) : asV3(source), fields, flavor);
  return { ...schema, type: 'object', properties: { ...(schema['properties'] as JsonObject | undefined), ...fields } };
}
