import { isRecord, type ObjectMeta, validateObjectMeta } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import { dns1035Label } from '../validation/names.ts';
import type { JsonSchema } from './json-schema.ts';

function apiVersionProblems(value: unknown, path: string): FieldError[] {
  if (typeof value !== 'string') return [fieldError.invalid(path, value, 'must be a string')];
  if (value === '') return [fieldError.required(path)];
  return value.split('/').length > 2 ? [fieldError.invalid(path, value, `unexpected GroupVersion string: ${value}`)] : [];
}

function kindProblems(value: unknown, path: string): FieldError[] {
  if (typeof value !== 'string') return [fieldError.invalid(path, value, 'must be a string')];
  if (value === '') return [fieldError.required(path)];
  const messages = dns1035Label(value.toLowerCase());
  return messages.length ? [fieldError.invalid(path, value, `may have mixed case, but should otherwise match: ${messages.join(',')}`)] : [];
}

function metadataProblems(value: unknown, path: string): FieldError[] {
  if (!isRecord(value)) return [];
  const metadata = value as ObjectMeta;
  return validateObjectMeta({ ...metadata, name: metadata.name || 'fakename' }, { namespaced: Boolean(metadata.namespace), nameRule: 'pathSegment' }, path);
}

function resourceProblems(value: Readonly<Record<string, unknown>>, path: string): FieldError[] {
  const missing = ['apiVersion', 'kind'].filter((name) => !Object.hasOwn(value, name)).map((name) => fieldError.required(`${path}.${name}`));
  const found = Object.entries(value).flatMap(([name, member]) => {
    if (name === 'apiVersion') return apiVersionProblems(member, `${path}.apiVersion`);
    if (name === 'kind') return kindProblems(member, `${path}.kind`);
    return name === 'metadata' ? metadataProblems(member, `${path}.metadata`) : [];
  });
  return [...missing, ...found];
}

/** Does the schema embed resources anywhere? */
export function hasEmbedded(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasEmbedded);
  return isRecord(schema) && (schema['x-kubernetes-embedded-resource'] === true || Object.values(schema).some(hasEmbedded));
}

/** What is wrong with apiVersion, kind and metadata of embedded resources (`x-kubernetes-embedded-resource`). */
export function embeddedProblems(value: unknown, schema: JsonSchema, path = ''): FieldError[] {
  if (Array.isArray(value)) {
    const items = isRecord(schema.items) ? (schema.items as JsonSchema) : undefined;
    return items ? value.flatMap((item, i) => embeddedProblems(item, items, `${path}[${i}]`)) : [];
  }
  if (!isRecord(value)) return [];
  const own = schema['x-kubernetes-embedded-resource'] === true ? resourceProblems(value, path) : [];
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  const below = Object.keys(value).flatMap((name) => {
    if (Object.hasOwn(properties, name)) return embeddedProblems(value[name], properties[name] as JsonSchema, path === '' ? name : `${path}.${name}`);
    return more ? embeddedProblems(value[name], more, `${path}[${name}]`) : [];
  });
  return [...own, ...below];
}
