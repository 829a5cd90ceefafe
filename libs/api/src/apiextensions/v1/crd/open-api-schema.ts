import type { FieldPath } from '../../../validation/field-path.ts';
import { checkListType, checkMapType } from './collections.ts';
import { checkRuleTexts } from './rule-texts.ts';
import { type Schema, additionalOf, alternativesOf, flag, itemsOf, negated, propertiesOf } from './schema-node.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** What the place of a schema forbids. */
interface Place {
  readonly isRoot: boolean;
  /** Within metadata, kind or apiVersion of a resource. */
  readonly inMetadata: boolean;
  /** Why there may be no default here. */
  readonly noDefaults?: string;
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '' && !(typeof value === 'object' && Object.keys(value).length === 0);

function checkStandard(schema: Schema, at: FieldPath, place: Place): void {
  if (schema.type && !types.includes(schema.type)) at.child('type').notSupported(schema.type, types);
  if (schema.default !== undefined && schema.default !== null && place.noDefaults !== undefined) at.child('default').forbidden(`must not be set ${place.noDefaults}`);
  for (const name of ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref']) {
    if (isSet(schema[name])) at.child(name).forbidden(`${name} is not supported`);
  }
  if (schema.type === 'null') at.child('type').forbidden('type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items) && schema.items.length) at.child('items').forbidden('items must be a schema object and not an array');
  if (place.inMetadata && flag(schema, 'x-kubernetes-embedded-resource')) at.child('x-kubernetes-embedded-resource').forbidden('must not be used inside of resource meta');
}

const metaFields = new Set(['metadata', 'kind', 'apiVersion']);

function checkMembers(schema: Schema, at: FieldPath, place: Place): void {
  const below: Place = { ...place, isRoot: false };
  const more = additionalOf(schema);
  if (propertiesOf(schema).length && (more || schema.additionalProperties === false)) at.child('additionalProperties').forbidden('additionalProperties and properties are mutual exclusive');
  if (more) checkNode(more, at.child('additionalProperties'), place.inMetadata ? { ...below, noDefaults: 'inside additionalProperties applying to object metadata' } : below);
  for (const [name, property] of propertiesOf(schema)) {
    const isMeta = metaFields.has(name) && (place.isRoot || flag(schema, 'x-kubernetes-embedded-resource'));
    checkNode(property, at.child('properties').at(name), { ...below, inMetadata: below.inMetadata || isMeta, ...(isMeta && place.isRoot ? { noDefaults: `in top-level ${name}` } : {}) });
  }
  const not = negated(schema);
  if (not) checkNode(not, at.child('not'), below);
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) for (const [i, part] of alternativesOf(schema, name).entries()) checkNode(part, at.child(name).at(i), below);
  const items = itemsOf(schema);
  if (items) checkNode(items, at.child('items'), below);
}

function checkNode(schema: Schema, at: FieldPath, place: Place): void {
  checkStandard(schema, at, place);
  if (schema.uniqueItems) at.child('uniqueItems').forbidden('uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  checkMembers(schema, at, place);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) at.child('x-kubernetes-preserve-unknown-fields').invalid(false, 'must be true or undefined');
  checkMapType(schema, at);
  checkListType(schema, at);
  checkRuleTexts(schema, at);
}

/** What OpenAPI allows and Kubernetes does not; in upstream's order. */
export function checkOpenApiSchema(root: Schema, at: FieldPath): void {
  checkNode(root, at, { isRoot: true, inMetadata: false });
}

/** Why no structural schema can be made of it at all; it is told of only when nothing else is. */
export function unsupportedProblem(schema: Schema): string | undefined {
  if (schema['$schema']) return "OpenAPIV3Schema 'schema' is not supported";
  for (const name of ['id', '$ref', 'patternProperties', 'dependencies', 'additionalItems', 'definitions']) if (isSet(schema[name])) return `OpenAPIV3Schema '${name}' is not supported`;
  if (Array.isArray(schema.items)) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
  const parts = [negated(schema), itemsOf(schema), additionalOf(schema), ...(['allOf', 'anyOf', 'oneOf'] as const).flatMap((name) => alternativesOf(schema, name)), ...propertiesOf(schema).map(([, property]) => property)];
  for (const part of parts) {
    const problem = part && unsupportedProblem(part);
    if (problem) return problem;
  }
  return undefined;
}
