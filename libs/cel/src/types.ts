/**
 * Types of CEL as Kubernetes declares them. `maxElements` bounds a value's size for cost estimation: bytes of a string,
 * items of a list, entries of a map; absent is unbounded. `minBytes` is the least a value takes as JSON.
 */
export interface Sized {
  readonly maxElements?: number;
  readonly minBytes?: number;
}

export type PrimitiveName = 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'null_type' | 'dyn' | 'timestamp' | 'duration' | 'error';

export interface PrimitiveType extends Sized {
  readonly kind: PrimitiveName;
}

/** How lists of x-kubernetes-list-type set and map compare and add up; `map` gives the keys. */
export type ListSemantics = { readonly kind: 'set' } | { readonly kind: 'map'; readonly keys: readonly string[] };

export interface ListType extends Sized {
  readonly kind: 'list';
  readonly element: CelType;
  readonly semantics?: ListSemantics;
}

export interface MapType extends Sized {
  readonly kind: 'map';
  readonly key: CelType;
  readonly value: CelType;
}

export interface ObjectField {
  readonly type: CelType;
  /** Its name in JSON, where CEL has to spell it differently (`my__dash__name`). */
  readonly jsonName: string;
}

/** An object with named fields, by the names that CEL gives them. Fields may be filled in after the type is made (recursion). */
export interface ObjectType extends Sized {
  readonly kind: 'object';
  /** As error messages and `type()` give it. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, ObjectField>;
  /** Fields that are not declared are dyn instead of an error. */
  readonly open?: boolean;
  /** May be null where it is declared. */
  readonly nullable?: boolean;
}

export type CelType =
  | PrimitiveType
  | ListType
  | MapType
  | ObjectType
  /** Known to functions only: `kubernetes.authorization.Authorizer`, `net.IP`, ... and `optional_type` with its parameter. */
  | ({ readonly kind: 'opaque'; readonly name: string; readonly parameters?: readonly CelType[] } & Sized)
  /** The type of types. */
  | ({ readonly kind: 'type'; readonly of?: CelType } & Sized)
  /** A type parameter of a function's signature. */
  | ({ readonly kind: 'parameter'; readonly name: string } & Sized);

const primitive = (kind: PrimitiveName, minBytes: number, maxElements?: number): PrimitiveType =>
  Object.freeze(maxElements === undefined ? { kind, minBytes } : { kind, minBytes, maxElements });

export const boolType = primitive('bool', 4);
export const intType = primitive('int', 1);
export const uintType = primitive('uint', 1);
export const doubleType = primitive('double', 1);
export const stringType = primitive('string', 2);
export const bytesType = primitive('bytes', 2);
export const nullType = primitive('null_type', 4);
export const dynType = primitive('dyn', 1);
export const errorType = primitive('error', 1);
export const timestampType = primitive('timestamp', 12);
export const durationType = primitive('duration', 2);

export function listType(element: CelType, size: Sized & { readonly semantics?: ListSemantics } = {}): ListType {
  return { kind: 'list', element, minBytes: 2, ...size };
}

export function mapType(key: CelType, value: CelType, size: Sized = {}): MapType {
  return { kind: 'map', key, value, minBytes: 2, ...size };
}

/** An object type from fields by their JSON names; names that CEL cannot write are left out unless escaped. */
export function objectType(name: string, fields: Readonly<Record<string, CelType>>): ObjectType {
  const named = Object.entries(fields).map(([field, type]): readonly [string, ObjectField] => [field, { type, jsonName: field }]);
  return { kind: 'object', name, fields: new Map(named), minBytes: 2 };
}

export function opaqueType(name: string, ...parameters: readonly CelType[]): CelType {
  return parameters.length ? { kind: 'opaque', name, parameters } : { kind: 'opaque', name };
}

export const optionalType = (value: CelType): CelType => opaqueType('optional_type', value);
export const typeType = (of?: CelType): CelType => (of ? { kind: 'type', of } : { kind: 'type' });
export const parameterType = (name: string): CelType => ({ kind: 'parameter', name });

export const authorizerType = opaqueType('kubernetes.authorization.Authorizer');
export const resourceCheckType = opaqueType('kubernetes.authorization.ResourceCheck');

const longNames: Partial<Record<CelType['kind'], string>> = { timestamp: 'google.protobuf.Timestamp', duration: 'google.protobuf.Duration', error: '!error!' };
const shortNames: Partial<Record<CelType['kind'], string>> = { null_type: 'null', error: '!error!' };

function format(type: CelType, names: typeof longNames): string {
  switch (type.kind) {
    case 'list':
      return `list(${format(type.element, names)})`;
    case 'map':
      return `map(${format(type.key, names)}, ${format(type.value, names)})`;
    case 'object':
    case 'parameter':
      return type.name;
    case 'opaque':
      return type.parameters?.length ? `${type.name}(${type.parameters.map((one) => format(one, names)).join(', ')})` : type.name;
    case 'type':
      return type.of ? `type(${format(type.of, names)})` : 'type';
    default:
      return names[type.kind] ?? type.kind;
  }
}

/** A type by its full name: `list(string)`, `null_type`, `google.protobuf.Timestamp`. */
export const formatType = (type: CelType): string => format(type, longNames);

/** A type as messages of the type checker print it: `map(string, dyn)`, `null`, `timestamp`. */
export const displayType = (type: CelType): string => format(type, shortNames);
