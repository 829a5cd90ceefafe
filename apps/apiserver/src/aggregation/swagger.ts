type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** An OpenAPI v2 document, as far as merging looks at it. */
export interface Swagger {
  readonly paths?: { readonly [path: string]: JsonObject };
  readonly definitions?: { readonly [name: string]: JsonObject };
  readonly parameters?: { readonly [name: string]: JsonObject };
  readonly [other: string]: unknown;
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Rewrites every `$ref` below a value; what has none stays the same object. */
function withRefs<T>(value: T, rename: (ref: string) => string): T {
  if (Array.isArray(value)) return value.map((one: unknown) => withRefs(one, rename)) as T;
  if (!isObject(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) out[key] = key === '$ref' && typeof one === 'string' ? rename(one) : withRefs(one, rename);
  return out as T;
}

function refsOf(value: unknown, found: Set<string>): Set<string> {
  if (Array.isArray(value)) for (const one of value) refsOf(one, found);
  else if (isObject(value)) {
    for (const [key, one] of Object.entries(value)) {
      if (key === '$ref' && typeof one === 'string') found.add(one);
      else refsOf(one, found);
    }
  }
  return found;
}

const definitionRef = '#/definitions/';
const parameterRef = '#/parameters/';

/** The paths below `prefix` and the definitions and parameters that they need, directly or not. */
export function withPathsOf(document: Swagger, prefix: string): Swagger {
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith(prefix)));
  const open = [...refsOf(paths, new Set<string>())];
  const needed = new Set(open);
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const found = ref.startsWith(definitionRef) ? document.definitions?.[ref.slice(definitionRef.length)] : ref.startsWith(parameterRef) ? document.parameters?.[ref.slice(parameterRef.length)] : undefined;
    for (const more of refsOf(found, new Set())) {
      if (needed.has(more)) continue;
      needed.add(more);
      open.push(more);
    }
  }
  const kept = (all: Swagger['definitions'], ref: string): Record<string, JsonObject> => Object.fromEntries(Object.entries(all ?? {}).filter(([name]) => needed.has(`${ref}${name}`)));
  return { ...document, paths, definitions: kept(document.definitions, definitionRef), parameters: kept(document.parameters, parameterRef) };
}

/** The name under which a schema can stand beside those there are: the same one when it says the same, else with `_v2`, `_v3` … */
function freeName(name: string, value: JsonObject, taken: Readonly<Record<string, JsonObject>>): string {
  const text = JSON.stringify(value);
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}_v${i}`;
    const there = taken[candidate];
    if (there === undefined || JSON.stringify(there) === text) return candidate;
  }
}

function merge(into: Required<Pick<Swagger, 'paths' | 'definitions' | 'parameters'>>, from: Swagger): typeof into {
  const renames = new Map<string, string>();
  const note = (ref: string, all: Swagger['definitions'], taken: Readonly<Record<string, JsonObject>>): void => {
    for (const [name, value] of Object.entries(all ?? {})) {
      const free = freeName(name, value, taken);
      if (free !== name) renames.set(`${ref}${name}`, `${ref}${free}`);
    }
  };
  note(definitionRef, from.definitions, into.definitions);
  note(parameterRef, from.parameters, into.parameters);
  const rename = (ref: string): string => renames.get(ref) ?? ref;
  const moved = (ref: string, all: Swagger['definitions']): [string, JsonObject][] =>
    Object.entries(all ?? {}).map(([name, value]) => [rename(`${ref}${name}`).slice(ref.length), renames.size ? withRefs(value, rename) : value]);
  const fresh = Object.entries(from.paths ?? {}).filter(([path]) => !(path in into.paths));
  return {
    paths: { ...into.paths, ...Object.fromEntries(renames.size ? withRefs(fresh, rename) : fresh) },
    definitions: { ...into.definitions, ...Object.fromEntries(moved(definitionRef, from.definitions)) },
    parameters: { ...into.parameters, ...Object.fromEntries(moved(parameterRef, from.parameters)) },
  };
}

/** One document of several: a path is taken from the first that has it; definitions that differ under one name are renamed. */
export function mergeSwagger(first: Swagger, others: readonly Swagger[]): Swagger {
  if (!others.length) return first;
  let merged = { paths: first.paths ?? {}, definitions: first.definitions ?? {}, parameters: first.parameters ?? {} };
  for (const other of others) merged = merge(merged, other);
  const { parameters, ...rest } = merged;
  return { ...first, ...rest, ...(Object.keys(parameters).length ? { parameters } : {}) };
}

const methods = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch']);
const typeWords = ['type', 'format', 'items', 'enum', 'default', 'maximum', 'minimum', 'pattern', 'maxLength', 'minLength', 'uniqueItems', 'collectionFormat'];

function schemaParameter(parameter: JsonObject): JsonObject {
  if ('$ref' in parameter) return parameter;
  const entries = Object.entries(parameter);
  const schema = Object.fromEntries(entries.filter(([key]) => typeWords.includes(key) && key !== 'collectionFormat'));
  return { ...Object.fromEntries(entries.filter(([key]) => !typeWords.includes(key))), schema };
}

const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const strings = (value: Json | undefined, fallback: readonly string[]): readonly string[] => (Array.isArray(value) && value.length ? value.map(String) : fallback);

function content(types: readonly string[], schema: Json | undefined): JsonObject {
  return Object.fromEntries(types.map((type): [string, JsonObject] => [type, schema === undefined ? {} : { schema }]));
}

function operationV3(operation: JsonObject, document: Swagger): JsonObject {
  const { consumes, produces, schemes: _schemes, parameters, responses, ...rest } = operation;
  const all = objects(parameters);
  const body = all.find((one) => one['in'] === 'body');
  const accepted = strings(consumes, strings(document['consumes'] as Json, ['application/json']));
  const given = strings(produces, strings(document['produces'] as Json, ['application/json']));
  const answers = Object.entries(isObject(responses) ? responses : {}).map(([code, response]) => {
    const { schema, ...other } = isObject(response) ? response : {};
    return [code, schema === undefined ? other : { ...other, content: content(given, schema) }];
  });
  const plain = all.filter((one) => one['in'] !== 'body').map(schemaParameter);
  return {
    ...rest,
    ...(plain.length ? { parameters: plain } : {}),
    ...(body ? { requestBody: { content: content(accepted, body['schema']), ...(body['required'] ? { required: true } : {}) } } : {}),
    responses: Object.fromEntries(answers) as JsonObject,
  };
}

function pathV3(item: JsonObject, document: Swagger): JsonObject {
  const entries = Object.entries(item).map(([key, value]) => {
    if (methods.has(key) && isObject(value)) return [key, operationV3(value, document)];
    return [key, key === 'parameters' ? objects(value).map(schemaParameter) : value];
  });
  return Object.fromEntries(entries) as JsonObject;
}

/** The same API in OpenAPI v3, as well as v2 can tell it. */
export function toOpenApiV3(document: Swagger): object {
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).map(([path, item]) => [path, pathV3(item, document)]));
  const parameters = Object.fromEntries(Object.entries(document.parameters ?? {}).map(([name, one]) => [name, schemaParameter(one)]));
  const components = { schemas: document.definitions ?? {}, ...(Object.keys(parameters).length ? { parameters } : {}) };
  const rename = (ref: string): string => ref.replace(definitionRef, '#/components/schemas/').replace(parameterRef, '#/components/parameters/');
  return withRefs({ openapi: '3.0.0', info: document['info'] ?? { title: '', version: '' }, paths, components }, rename);
}
