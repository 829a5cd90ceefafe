import { type CelType, boolType, bytesType, doubleType, durationType, dynType, intType, listType, mapType, nullType, opaqueType, optionalType, parameterType, stringType, timestampType, typeType, uintType } from '../types.ts';
import { CelDuration, CelList, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue, isCelMap } from '../values.ts';

/** Gets exactly what its signature says; throws CelError for what goes wrong. */
export type Run = (...args: never[]) => CelValue;

export interface Overload {
  /** cel-go's name of it where its cost depends on it; otherwise the function's. */
  readonly id: string;
  readonly name: string;
  readonly isMember: boolean;
  /** The receiver of a member function is the first. */
  readonly parameters: readonly CelType[];
  readonly result: CelType;
  readonly accepts: readonly ((value: CelValue) => boolean)[];
  readonly run: (...args: CelValue[]) => CelValue;
}

const named: Readonly<Record<string, CelType>> = {
  bool: boolType, int: intType, uint: uintType, double: doubleType, string: stringType, bytes: bytesType, null: nullType, dyn: dynType, timestamp: timestampType, duration: durationType, type: typeType(),
};

/** `list(int)`, `map(K, V)`, `net.IP`; single capitals are parameters. */
function parseType(text: string): CelType {
  const trimmed = text.trim();
  const [, outer, inner] = /^([\w.]+)\((.*)\)$/.exec(trimmed) ?? [];
  if (outer !== undefined && inner !== undefined) return applied(outer, splitTypes(inner).map(parseType));
  if (/^[A-Z]$/.test(trimmed)) return parameterType(trimmed);
  return Object.hasOwn(named, trimmed) ? (named[trimmed] as CelType) : opaqueType(trimmed);
}

function applied(outer: string, [first = dynType, second = dynType]: readonly CelType[]): CelType {
  if (outer === 'list') return listType(first);
  if (outer === 'map') return mapType(first, second);
  return outer === 'type' ? typeType(first) : optionalType(first);
}

/** Splits at commas outside of parentheses. */
function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const [i, letter] of [...text].entries()) {
    if (letter === '(') depth += 1;
    else if (letter === ')') depth -= 1;
    else if (letter === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return text.trim() === '' ? [] : [...parts, text.slice(start)];
}

/** Whether a value is of a type, as overloads are told apart while running. */
export function acceptor(type: CelType): (value: CelValue) => boolean {
  switch (type.kind) {
    case 'bool':
      return (value) => typeof value === 'boolean';
    case 'int':
      return (value) => typeof value === 'bigint';
    case 'uint':
      return (value) => value instanceof CelUint;
    case 'double':
      return (value) => typeof value === 'number';
    case 'string':
      return (value) => typeof value === 'string';
    case 'bytes':
      return (value) => value instanceof Uint8Array;
    case 'null_type':
      return (value) => value === null;
    case 'timestamp':
      return (value) => value instanceof CelTimestamp;
    case 'duration':
      return (value) => value instanceof CelDuration;
    case 'list':
      return (value) => value instanceof CelList;
    case 'map':
    case 'object':
      return isCelMap;
    case 'type':
      return (value) => value instanceof CelTypeValue;
    case 'opaque':
      return type.name === 'optional_type' ? (value) => value instanceof CelOptional : (value) => value instanceof CelOpaque && value.typeName === type.name;
    default:
      return () => true;
  }
}

/** A signature `RECEIVER.(ARGUMENTS) RESULT` or `(ARGUMENTS) RESULT`, what runs, and cel-go's id where it matters. */
export type Definition = readonly [signature: string, run: Run, id?: string];

function overload(name: string, [signature, run, id]: Definition): Overload {
  const [, receiver, args = '', result = 'dyn'] = /^(?:(\S.*)\.)?\((.*)\) (\S+(?: .*)?)$/.exec(signature) ?? [];
  const parameters = [...(receiver === undefined ? [] : [receiver]), ...splitTypes(args)].map(parseType);
  return { id: id ?? name, name, isMember: receiver !== undefined, parameters, result: parseType(result), accepts: parameters.map(acceptor), run: run as unknown as Overload['run'] };
}

export type Functions = ReadonlyMap<string, readonly Overload[]>;

/** Functions by name, each with its overloads. */
export function library(definitions: Readonly<Record<string, readonly Definition[]>>): Functions {
  return new Map(Object.entries(definitions).map(([name, all]) => [name, all.map((definition) => overload(name, definition))]));
}

/** All overloads of all libraries, later after earlier. */
export function joinLibraries(...libraries: readonly Functions[]): Functions {
  const joined = new Map<string, Overload[]>();
  for (const each of libraries) for (const [name, overloads] of each) joined.set(name, [...(joined.get(name) ?? []), ...overloads]);
  return joined;
}
