import type { FieldSchema, LeafType, ListSchema, ObjectSchema, Schema } from '@orrery/apimachinery';
import { definitionsText } from '../../schema/definitions.ts';

/**
 * Reads the table. Lines:
 *
 *   @PACKAGE                     opens a package; definitions below are PACKAGE.NAME
 *   NAME [k:GROUP/VERSION|k:*] [atomic] [wire]
 *                                a definition; `k:` it is a kind (`*` in every group version), `atomic` server-side apply
 *                                replaces it whole, `wire` it is not part of OpenAPI
 *    FIELD TYPE NUMBER [flags]   a field (note the space in front). TYPE: a leaf (lower case), a definition (of this package, or full),
 *                                []TYPE, {}TYPE (map by string). NUMBER: the protobuf number, `2.1` for field 1 of the
 *                                struct embedded as field 2, `-` for none. Flags: `!` required, `z` the zero value is
 *                                dropped, `v` a struct that is always there, `wrapped`, atomic/set/map:K,K list type, m:atomic|granular map type,
 *                                ps:S,S patch strategy, mk:K patch merge key, =V default of a list-map key
 */
export interface Definition {
  readonly name: string;
  /** `apps/v1`, `/v1`; `*` for kinds of every group version; empty when it is not a kind. */
  readonly groupVersion: string;
  readonly kind: string;
  readonly isWireOnly: boolean;
  readonly schema: ObjectSchema;
  readonly lines: readonly string[];
}

const leaves = new Set<string>(
  'string boolean int32 int64 double bytes time microTime quantity intOrString duration rawExtension fieldsV1 json schemaOrBool schemaOrArray schemaOrStrings'.split(' '),
);
const leafSchemas = new Map([...leaves].map((type) => [type, Object.freeze({ type: type as LeafType })]));

const definitions = new Map<string, Definition>();
const byKind = new Map<string, Definition>();

/** The definition of that name, e.g. `io.k8s.api.core.v1.Pod`. */
export function definitionNamed(name: string): Definition | undefined {
  return definitions.get(name);
}

/** Every definition, sorted by name. */
export function allDefinitions(): Iterable<Definition> {
  return definitions.values();
}

/** Of `apps/v1` (or `v1`) and a kind. DeleteOptions and WatchEvent are kinds of every group version. */
export function definitionOfKind(apiVersion: string, kind: string): Definition | undefined {
  const groupVersion = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  return byKind.get(`${groupVersion} ${kind}`) ?? byKind.get(`* ${kind}`);
}

function makeType(code: string, pkg: string, flags: readonly string[]): Schema {
  const leaf = leafSchemas.get(code);
  if (leaf) return leaf;
  const mapType = flags.find((flag) => flag.startsWith('m:'))?.slice(2);
  if (code.startsWith('[]')) return makeList(code, pkg, flags);
  if (code.startsWith('{}')) {
    const items = makeType(code.slice(2), pkg, []);
    return { type: 'map', items, atomic: mapType === 'atomic' };
  }
  const name = code.includes('.') ? code : `${pkg}.${code}`;
  const definition = definitions.get(name);
  if (!definition) throw new Error(`the schema table names ${name} but does not define it`);
  if (!mapType || (mapType === 'atomic') === definition.schema.atomic) return definition.schema;
  return objectSchema(definition, mapType === 'atomic');
}

function makeList(code: string, pkg: string, flags: readonly string[]): ListSchema {
  const map = flags.find((flag) => flag.startsWith('map:'));
  return {
    type: 'list',
    items: makeType(code.slice(2), pkg, []),
    listType: map ? 'map' : flags.includes('set') ? 'set' : 'atomic',
    listKeys: map ? map.slice(4).split(',') : [],
  };
}

function makeField(line: string, pkg: string): FieldSchema {
  const [name = '', code = '', number = '-', ...flags] = line.slice(1).split(' ');
  const value = (prefix: string): string | undefined => flags.find((flag) => flag.startsWith(prefix))?.slice(prefix.length);
  const mergeKey = value('mk:');
  const keyDefault = value('=');
  let schema: Schema | undefined;
  return {
    name,
    get schema(): Schema {
      return (schema ??= makeType(code, pkg, flags));
    },
    required: flags.includes('!'),
    omitZero: flags.includes('z'),
    isValueStruct: flags.includes('v'),
    patchStrategy: value('ps:')?.split(',') ?? [],
    ...(mergeKey === undefined ? {} : { patchMergeKey: mergeKey }),
    ...(keyDefault === undefined ? {} : { keyDefault }),
    wirePath: number === '-' ? [] : number.split('.').map(Number),
    wrapped: flags.includes('wrapped'),
  };
}

function objectSchema(definition: Pick<Definition, 'name' | 'lines'>, atomic: boolean): ObjectSchema {
  let fields: Map<string, FieldSchema> | undefined;
  const pkg = definition.name.slice(0, definition.name.lastIndexOf('.'));
  return {
    type: 'object',
    definition: definition.name,
    atomic,
    preserveUnknown: false,
    get fields(): ReadonlyMap<string, FieldSchema> {
      if (!fields) {
        fields = new Map();
        for (const line of definition.lines) {
          const field = makeField(line, pkg);
          fields.set(field.name, field);
        }
      }
      return fields;
    },
  };
}

function addDefinition(header: string, pkg: string, lines: readonly string[]): void {
  const [kind = '', ...flags] = header.split(' ');
  const name = `${pkg}.${kind}`;
  const groupVersion = flags.find((flag) => flag.startsWith('k:'))?.slice(2) ?? '';
  const base = { name, lines };
  const schema = objectSchema(base, flags.includes('atomic'));
  const definition: Definition = { ...base, groupVersion, kind, isWireOnly: flags.includes('wire'), schema };
  definitions.set(name, definition);
  if (groupVersion) byKind.set(`${groupVersion} ${kind}`, definition);
}

function readTable(): void {
  const lines = definitionsText.split('\n');
  let pkg = '';
  let header = '';
  let first = 0;
  const flush = (end: number): void => {
    if (header) addDefinition(header, pkg, lines.slice(first, end));
    header = '';
  };
  lines.forEach((line, index) => {
    if (line.startsWith(' ')) return;
    flush(index);
    if (line.startsWith('@')) pkg = line.slice(1);
    else header = line;
    first = index + 1;
  });
  flush(lines.length);
}

readTable();
