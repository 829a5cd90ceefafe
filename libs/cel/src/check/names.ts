import type { Environment } from '../environment.ts';
import { type CelType, type ObjectType, boolType, bytesType, doubleType, durationType, dynType, intType, listType, mapType, nullType, opaqueType, resourceCheckType, stringType, timestampType, typeType, uintType } from '../types.ts';

/** What a name is: a variable of the environment, or a type. */
export type Named = { readonly kind: 'variable'; readonly name: string; readonly type: CelType } | { readonly kind: 'type'; readonly typeName: string; readonly type: CelType };

const types = new Map<string, CelType>([
  ['bool', boolType], ['bytes', bytesType], ['double', doubleType], ['int', intType], ['string', stringType], ['uint', uintType], ['null_type', nullType],
  ['list', listType(dynType)], ['map', mapType(dynType, dynType)], ['type', typeType()], ['google.protobuf.Timestamp', timestampType], ['google.protobuf.Duration', durationType], ['optional_type', opaqueType('optional_type', dynType)],
  ...['net.IP', 'net.CIDR', 'kubernetes.URL', 'kubernetes.Quantity', 'kubernetes.Semver', 'kubernetes.NamedFormat'].map((name) => [name, opaqueType(name)] as const),
  ...['Authorizer', 'PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'].map((name) => [`kubernetes.authorization.${name}`, opaqueType(`kubernetes.authorization.${name}`)] as const),
]);

const requestResource = '.requestResource';

/** `authorizer.requestResource` is a variable of its own beside `authorizer`. */
export function authorizerOf(name: string, variables: Environment['variables']): string | undefined {
  if (!name.endsWith(requestResource)) return undefined;
  const base = name.slice(0, -requestResource.length);
  const type = Object.hasOwn(variables, base) ? variables[base] : undefined;
  return type?.kind === 'opaque' && type.name === 'kubernetes.authorization.Authorizer' ? base : undefined;
}

/** What a name, with dots or without, stands for in an environment. */
export function lookup(name: string, { variables, types: own }: Environment): Named | undefined {
  if (Object.hasOwn(variables, name)) return { kind: 'variable', name, type: variables[name] as CelType };
  if (authorizerOf(name, variables) !== undefined) return { kind: 'variable', name, type: resourceCheckType };
  const type = types.get(name) ?? own.find((one) => one.name === name);
  return type && { kind: 'type', typeName: name, type: typeType(type) };
}

const patchFields: ObjectType['fields'] = new Map([...['op', 'path', 'from'].map((name) => [name, { type: stringType, jsonName: name }] as const), ['value', { type: dynType, jsonName: 'value' }] as const]);

/** The type that `Name{…}` makes; undefined when there is none of that name. */
export function constructible(name: string, { types: own, libraries }: Environment): ObjectType | undefined {
  const plain = name.replace(/^\./, '');
  if (libraries.jsonPatch && plain === 'JSONPatch') return { kind: 'object', name: plain, fields: patchFields };
  if (libraries.objectConstruction && /^Object(?:\.|$)/.test(plain)) return { kind: 'object', name: plain, fields: new Map(), open: true };
  return own.find((one) => one.name === plain);
}
