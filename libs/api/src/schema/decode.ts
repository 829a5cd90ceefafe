import { type FieldSchema, getOwn, isRecord, JsonSyntaxError, type LeafSchema, type ListSchema, type Literals, type MapSchema, maxJsonDepth, type Members, type ObjectSchema, parseJson, type ParsedJson, type Schema, setOwn } from '@orrery/apimachinery';
import { DecodeError, strictError, warningLines } from './decode-error.ts';
import { decodeLeaf, zeroLeaf } from './decode-leaf.ts';
import { goType, goValue, structName } from './go-type.ts';
import { schemaOf } from './lookup.ts';

/** What to do about unknown and duplicate fields. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Decoded {
  /** Unknown fields are pruned; zero values and texts are as Go would write them back. */
  readonly object: Record<string, unknown>;
  /** Of `Warn`: `unknown field "spec.foo"`, `duplicate field "spec.foo"`, in document order. */
  readonly warnings: readonly string[];
}

interface Walk {
  readonly duplicates: ReadonlyMap<object, Members>;
  /** Undefined: no number was written in a way that matters. */
  readonly literals: Literals | undefined;
  /** What holds the value that is looked at. */
  holder: object | undefined;
  /** The way here: struct or undefined for maps and lists, and the name, key or index. */
  readonly owners: (string | undefined)[];
  readonly keys: (string | number)[];
  readonly problems: Set<string>;
  /** The first value of a wrong type; Go goes on and reports it at the end. */
  failure: string | undefined;
  /** Values that were decoded before, for the same place: they are what they should be. */
  readonly decoded?: ReadonlySet<unknown>;
}

const jsonSchemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
const maxProblems = 100;

function pathText(walk: Walk, name: string): string {
  let text = '';
  for (const key of [...walk.keys, name]) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? key : `.${key}`;
  }
  return text;
}

function addProblem(walk: Walk, kind: 'unknown' | 'duplicate', name: string): void {
  if (walk.problems.size < maxProblems) walk.problems.add(`${kind} field ${JSON.stringify(pathText(walk, name))}`);
}

function mismatch(walk: Walk, value: string, type: string): void {
  if (walk.failure !== undefined) return;
  // The metadata of a custom resource is decoded by itself, so the way to it is not told.
  const start = walk.owners.lastIndexOf('') + 1;
  const fields = walk.keys.filter((_key, i) => i >= start && walk.owners[i] !== undefined);
  const owner = walk.owners.findLast((name) => name !== undefined);
  const where = !owner ? 'Go value' : `Go struct field ${structName(owner)}.${fields.join('.')}`;
  walk.failure = `json: cannot unmarshal ${value} into ${where} of type ${type}`;
}

function inside<T>(walk: Walk, owner: string | undefined, key: string | number, visit: () => T): T {
  walk.owners.push(owner);
  walk.keys.push(key);
  const result = visit();
  walk.owners.pop();
  walk.keys.pop();
  return result;
}

/** A value of a wrong type: an error of the request, but a matter of validation for custom resources. */
function misfit(walk: Walk, schema: ObjectSchema | MapSchema | ListSchema, value: unknown): unknown {
  if (schema.isCustom) return value;
  mismatch(walk, goValue(value), goType(schema));
  return undefined;
}

/** Undefined means: as if the field were absent. */
function walkValue(walk: Walk, schema: Schema, value: unknown): unknown {
  if (value === null || value === undefined) return isCustom(schema) ? value : undefined;
  if (walk.decoded?.has(value)) return value;
  switch (schema.type) {
    case 'object':
      return walkObject(walk, schema, value);
    case 'map':
      return walkMap(walk, schema, value);
    case 'list':
      return walkList(walk, schema, value);
    default:
      return walkLeaf(walk, schema, value);
  }
}

function isCustom(schema: Schema): boolean {
  return schema.isCustom === true;
}

function isZero(value: unknown): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object') return false;
  if (Array.isArray(value)) return value.length === 0;
  for (const _key in value) return false;
  return true;
}

function walkObject(walk: Walk, schema: ObjectSchema, value: unknown): unknown {
  if (!isRecord(value)) {
    return misfit(walk, schema, value);
  }
  const members = walk.duplicates.get(value);
  if (members) return walkMembers(walk, schema, { holder: value, members });
  const { fields, definition } = schema;
  let dropped: string[] | undefined;
  for (const key in value) {
    const field = fields.get(key);
    if (!field) {
      if (schema.preserveUnknown) continue;
      addProblem(walk, 'unknown', key);
      (dropped ??= []).push(key);
      continue;
    }
    const before = value[key];
    if (typeof before === 'string' && before !== '' && field.schema.type === 'string') continue;
    walk.holder = value;
    walk.owners.push(definition);
    const after = walkField(walk, field, before);
    if (after === undefined || (field.omitZero && isZero(after))) (dropped ??= []).push(key);
    else if (after !== before) value[key] = after;
  }
  return dropped ? without(value, dropped) : value;
}

/** A copy: deleting properties would make the object slow for the rest of its life. */
function without(value: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  // They come in the order of the object.
  let next = 0;
  for (const key in value) {
    if (key === keys[next]) next++;
    else out[key] = value[key];
  }
  return out;
}

/** An object that names members twice: each occurrence is visited, the last one kept. */
function walkMembers(walk: Walk, schema: ObjectSchema, { holder, members }: { holder: object; members: Members }): Record<string, unknown> {
  const seen = new Set<string>();
  const out: Record<string, unknown> = {};
  for (const [key, value] of members) {
    const field = schema.fields.get(key);
    if (!field && !schema.preserveUnknown) {
      addProblem(walk, 'unknown', key);
      continue;
    }
    if (seen.has(key)) addProblem(walk, 'duplicate', key);
    seen.add(key);
    if (!field) {
      setOwn(out, key, value);
      continue;
    }
    walk.holder = holder;
    walk.owners.push(schema.definition);
    const after = walkField(walk, field, value);
    if (after === undefined || (field.omitZero && isZero(after))) delete out[key];
    else out[key] = after;
  }
  return out;
}

/** Visits one field, whose owner was pushed, and pops that. Without a closure or an object: this is the hot path. */
function walkField(walk: Walk, field: FieldSchema, value: unknown): unknown {
  walk.keys.push(field.name);
  const result = walkValue(walk, field.schema, value);
  walk.owners.pop();
  walk.keys.pop();
  return result;
}

function walkMap(walk: Walk, schema: MapSchema, value: unknown): unknown {
  if (!isRecord(value)) {
    return misfit(walk, schema, value);
  }
  const members = walk.duplicates.get(value);
  if (members) {
    const seen = new Set<string>();
    for (const [key] of members) {
      if (seen.has(key)) addProblem(walk, 'duplicate', key);
      seen.add(key);
    }
  }
  const { items } = schema;
  for (const key in value) {
    const before = value[key];
    if (items.type === 'string' && typeof before === 'string') continue;
    walk.holder = value;
    const after = before === null && !isCustom(items) ? zeroOf(items) : inside(walk, undefined, key, () => walkValue(walk, items, before));
    if (after !== before) setOwn(value, key, after === undefined ? zeroOf(items) : after);
  }
  return value;
}

function walkList(walk: Walk, schema: ListSchema, value: unknown): unknown {
  if (!Array.isArray(value)) {
    return misfit(walk, schema, value);
  }
  const { items } = schema;
  for (let i = 0; i < value.length; i++) {
    const before: unknown = value[i];
    if (items.type === 'string' && typeof before === 'string') continue;
    if (before === null && isCustom(items)) continue;
    walk.holder = value;
    let after: unknown;
    if (before !== null) {
      walk.owners.push(undefined);
      walk.keys.push(i);
      after = walkValue(walk, items, before);
      walk.owners.pop();
      walk.keys.pop();
    }
    value[i] = after === undefined ? zeroOf(items) : after;
  }
  return value;
}

function zeroOf(schema: Schema): unknown {
  if (schema.type === 'object' || schema.type === 'map') return {};
  return schema.type === 'list' ? [] : zeroLeaf(schema.type);
}

function walkLeaf(walk: Walk, schema: LeafSchema, value: unknown): unknown {
  const { type } = schema;
  if (type === 'schemaOrBool' || type === 'schemaOrArray' || type === 'schemaOrStrings') return walkUnion(walk, type, value);
  const literal = walk.literals && walk.holder && walk.literals.get(walk.holder)?.get(walk.keys.at(-1) ?? '');
  const result = decodeLeaf(type, value, literal);
  if ('ok' in result) return result.ok;
  const { problem } = result;
  if ('text' in problem) walk.failure ??= problem.text;
  else mismatch(walk, problem.value ?? goValue(value), problem.mismatch);
  return undefined;
}

function walkUnion(walk: Walk, type: 'schemaOrBool' | 'schemaOrArray' | 'schemaOrStrings', value: unknown): unknown {
  if (isRecord(value)) return walkObject(walk, schemaOf(jsonSchemaProps), value);
  if (type === 'schemaOrBool') {
    if (typeof value === 'boolean') return value;
    walk.failure ??= 'boolean or JSON schema expected';
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const items: Schema = type === 'schemaOrArray' ? schemaOf(jsonSchemaProps) : { type: 'string' };
  return walkList(walk, { type: 'list', items, listType: 'atomic', listKeys: [] }, value);
}

export interface DecodeOptions {
  readonly schema: ObjectSchema;
  readonly mode: FieldValidation;
  /** Parts of the value that are not looked at. */
  readonly decoded?: ReadonlySet<unknown>;
  /** Further problems found while reading, reported before those of fields (YAML). */
  readonly problems?: readonly string[];
  /** Fields are told in the order of their names: what has gone through a map of Go (YAML) has lost its own. */
  readonly sorted?: boolean;
}

const steps = (problem: string): string[] => problem.split(/[.[\]]+/);

function byPath(a: string, b: string): number {
  const left = steps(a);
  const right = steps(b);
  for (const [i, step] of left.entries()) {
    const other = right[i];
    if (step === other) continue;
    if (other === undefined) return 1;
    const bothIndices = /^\d+$/.test(step) && /^\d+$/.test(other);
    return bothIndices ? Number(step) - Number(other) : step < other ? -1 : 1;
  }
  return left.length - right.length;
}

/** The first `fixed` stay where they are. */
function sortedProblems(problems: readonly string[], fixed: number): string[] {
  return [...problems.slice(0, fixed), ...problems.slice(fixed).sort(byPath)];
}

/** The second half of decoding: fits parsed JSON into a schema. The parsed value may be changed and become part of the result. */
export function decodeParsed(parsed: ParsedJson, options: DecodeOptions): Decoded {
  const walk: Walk = { duplicates: parsed.duplicates, literals: parsed.literals?.size ? parsed.literals : undefined, holder: undefined, owners: [], keys: [], problems: new Set(options.problems), failure: undefined, ...(options.decoded ? { decoded: options.decoded } : {}) };
  // Go leaves an object as it is when it reads null into it.
  const object = walkObject(walk, options.schema, parsed.value ?? {});
  if (walk.failure !== undefined) throw new DecodeError(walk.failure);
  const problems = options.sorted ? sortedProblems([...walk.problems], options.problems?.length ?? 0) : [...walk.problems];
  if (options.mode === 'Strict' && problems.length > 0) throw strictError(problems);
  return { object: (object ?? {}) as Record<string, unknown>, warnings: options.mode === 'Warn' ? problems.flatMap(warningLines) : [] };
}

function textOf(body: Uint8Array | string): string {
  return typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** Parses JSON in upstream's words for what cannot be parsed. Throws DecodeError. */
export function parseBody(body: Uint8Array | string): ParsedJson {
  try {
    return parseJson(textOf(body));
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new DecodeError(`couldn't get version/kind; json parse error: ${error.message}`);
    throw error;
  }
}

/**
 * Decodes a JSON body. `definition` is a name from the schema table or a schema. Strict throws for unknown and
 * duplicate fields, Warn tells them, Ignore drops them. Throws DecodeError, which `decodeFailure` makes a 400.
 */
export function decodeJson(body: Uint8Array | string, definition: string | ObjectSchema, mode: FieldValidation): Decoded {
  const schema = typeof definition === 'string' ? schemaOf(definition) : definition;
  return decodeParsed(parseBody(body), { schema, mode });
}

/** By how much metadata.managedFields may nest deeper than the fields it tells of. */
const bookkeeping = 5;

/** As `cloneJson`, to so many levels of objects and arrays. */
function copyWithin(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) throw new DecodeError('exceeded max depth');
  if (Array.isArray(value)) return value.map((item) => copyWithin(item, levels - 1));
  const copy: Record<string, unknown> = { ...value };
  for (const key in copy) {
    const member = copy[key];
    if (typeof member === 'object' && member !== null) copy[key] = copyWithin(member, levels - 1);
  }
  return copy;
}

interface Copying {
  readonly levels: number;
  /** What is at this place in the object that was decoded before. */
  readonly known: unknown;
  /** Takes what is left where it is. */
  readonly shared: Set<unknown>;
}

/** As `copyWithin`, but what is the known value itself is left where it is. */
function copyNew(value: unknown, { levels, known, shared }: Copying): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value === known) {
    shared.add(value);
    return value;
  }
  if (typeof known !== 'object' || known === null) return copyWithin(value, levels);
  if (levels === 0) throw new DecodeError('exceeded max depth');
  if (Array.isArray(value)) return value.map((item, i) => copyNew(item, { levels: levels - 1, known: Array.isArray(known) ? known[i] : undefined, shared }));
  return copyMembers(value as Record<string, unknown>, { levels, known, shared });
}

function copyMembers(value: Record<string, unknown>, { levels, known, shared }: Copying): Record<string, unknown> {
  const copy = { ...value };
  for (const key in copy) {
    const member = copy[key];
    if (typeof member === 'object' && member !== null) copy[key] = copyNew(member, { levels: levels - 1, known: getOwn(known as object, key), shared });
  }
  return copy;
}

/** Fits a JSON value (a patch result, say) into a schema without parsing; the value is copied first. Throws DecodeError, also for what nests deeper than a body may. */
export function decodeValue(value: unknown, definition: string | ObjectSchema, mode: FieldValidation): Decoded {
  const schema = typeof definition === 'string' ? schemaOf(definition) : definition;
  return decodeParsed({ value: copyWithin(value, maxJsonDepth + bookkeeping), duplicates: new Map() }, { schema, mode });
}

const none: ReadonlyMap<object, Members> = new Map();

/**
 * As `decodeValue`, for what was made of an object that was decoded before and whose parts are never changed: those that are still in
 * their place are neither copied nor decoded again. The object itself, and each of `changing`, fields of it, is a copy.
 */
export function decodeChanged(value: Record<string, unknown>, before: object, options: { schema: ObjectSchema; mode: FieldValidation; changing: readonly string[] }): Decoded {
  const { schema, mode, changing } = options;
  const decoded = new Set<unknown>();
  const at = { levels: maxJsonDepth + bookkeeping, known: before, shared: decoded };
  const copy = copyMembers(value, at);
  for (const name of changing) {
    if (!decoded.delete(copy[name]) || !isRecord(copy[name])) continue;
    copy[name] = copyMembers(copy[name], { ...at, known: copy[name] });
  }
  return decodeParsed({ value: copy, duplicates: none }, { schema, mode, decoded });
}
