import { setOwn } from '../equality.ts';
import { numberOf } from './integers.ts';

/** Not JSON; the message is the one Go's decoder gives. */
export class JsonSyntaxError extends Error {}

/** All members of an object in document order, kept only for objects that name a member twice. */
export type Members = readonly (readonly [key: string, value: unknown])[];

export interface ParsedJson {
  /** As JSON.parse has it: of members with the same name the last one counts. */
  readonly value: unknown;
  /** Objects with duplicate members. */
  readonly duplicates: ReadonlyMap<object, Members>;
  /** How numbers were written that JavaScript writes otherwise (`1.0`, `1e2`), by the object or array that holds them. */
  readonly literals?: Literals;
}

export type Literals = ReadonlyMap<object, ReadonlyMap<string | number, string>>;

/** Upstream goes ten times as deep; nothing that is any use does, and whatever walks an object here may recurse. */
export const maxJsonDepth = 1000;

interface Reader {
  readonly text: string;
  at: number;
  readonly duplicates: Map<object, Members>;
  readonly literals: Map<object, Map<string | number, string>>;
  /** The number that was just read, where it is to be remembered. */
  literal: string | undefined;
}

function shown(char: string): string {
  if (char === "'") return `'\\''`;
  if (char === '"') return `'"'`;
  return `'${JSON.stringify(char).slice(1, -1)}'`;
}

function fail(reader: Reader, where: string): never {
  const code = reader.text.codePointAt(reader.at);
  if (code === undefined) throw new JsonSyntaxError('unexpected end of JSON input');
  throw new JsonSyntaxError(`invalid character ${shown(String.fromCodePoint(code))} ${where}`);
}

function skipSpace(reader: Reader): void {
  for (;;) {
    const code = reader.text.charCodeAt(reader.at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
    reader.at++;
  }
}

function readString(reader: Reader): string {
  const start = reader.at++;
  for (;;) {
    const code = reader.text.charCodeAt(reader.at);
    if (Number.isNaN(code)) throw new JsonSyntaxError('unexpected end of JSON input');
    if (code < 32) fail(reader, 'in string literal');
    if (code === 34) break;
    if (code === 92) readEscape(reader);
    reader.at++;
  }
  reader.at++;
  return JSON.parse(reader.text.slice(start, reader.at)) as string;
}

/** Leaves the reader on the escape's last character. */
function readEscape(reader: Reader): void {
  reader.at++;
  const char = reader.text[reader.at];
  if (char === undefined || !'"\\/bfnrtu'.includes(char)) fail(reader, 'in string escape code');
  if (char !== 'u') return;
  for (let i = 0; i < 4; i++) {
    reader.at++;
    if (!/[0-9a-fA-F]/.test(reader.text[reader.at] ?? '')) fail(reader, 'in \\u hexadecimal character escape');
  }
}

function readNumber(reader: Reader): number | bigint {
  const start = reader.at;
  const digits = (where: string): void => {
    if (!/[0-9]/.test(reader.text[reader.at] ?? '')) fail(reader, where);
    while (/[0-9]/.test(reader.text[reader.at] ?? '')) reader.at++;
  };
  if (reader.text[reader.at] === '-') reader.at++;
  if (reader.text[reader.at] === '0') reader.at++;
  else digits('in numeric literal');
  if (reader.text[reader.at] === '.') {
    reader.at++;
    digits('after decimal point in numeric literal');
  }
  if (/[eE]/.test(reader.text[reader.at] ?? '')) {
    reader.at++;
    if (/[-+]/.test(reader.text[reader.at] ?? '')) reader.at++;
    digits('in exponent of numeric literal');
  }
  const literal = reader.text.slice(start, reader.at);
  const value = numberOf(literal);
  if (value === Infinity || value === -Infinity) throw new JsonSyntaxError(`json: cannot unmarshal number ${literal} into Go value of type float64`);
  if (typeof value === 'number' && String(value) !== literal && literal !== '-0') reader.literal = literal;
  return value;
}

/** Keeps how the number that was just read into `holder` is written. */
function keepLiteral(reader: Reader, holder: object, key: string | number): void {
  if (reader.literal === undefined) return;
  let kept = reader.literals.get(holder);
  if (!kept) reader.literals.set(holder, (kept = new Map()));
  kept.set(key, reader.literal);
  reader.literal = undefined;
}

function readLiteral(reader: Reader, literal: string): void {
  const first = reader.text[reader.at] ?? '';
  reader.at++;
  for (const expected of literal.slice(1)) {
    if (reader.text[reader.at] !== expected) fail(reader, `in literal ${literal} (expecting ${shown(expected)})`);
    reader.at++;
  }
  if (first !== literal[0]) fail(reader, 'looking for beginning of value');
}

function readObject(reader: Reader, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  const members: (readonly [string, unknown])[] = [];
  let hasDuplicate = false;
  reader.at++;
  skipSpace(reader);
  if (reader.text[reader.at] === '}') {
    reader.at++;
    return object;
  }
  for (;;) {
    skipSpace(reader);
    if (reader.text[reader.at] !== '"') fail(reader, 'looking for beginning of object key string');
    const key = readString(reader);
    skipSpace(reader);
    if (reader.text[reader.at] !== ':') fail(reader, 'after object key');
    reader.at++;
    const value = readValue(reader, depth + 1);
    keepLiteral(reader, object, key);
    hasDuplicate ||= Object.hasOwn(object, key);
    setOwn(object, key, value);
    members.push([key, value]);
    skipSpace(reader);
    const char = reader.text[reader.at];
    if (char !== ',' && char !== '}') fail(reader, 'after object key:value pair');
    reader.at++;
    if (char === '}') break;
  }
  if (hasDuplicate) reader.duplicates.set(object, members);
  return object;
}

function readArray(reader: Reader, depth: number): unknown[] {
  const array: unknown[] = [];
  reader.at++;
  skipSpace(reader);
  if (reader.text[reader.at] === ']') {
    reader.at++;
    return array;
  }
  for (;;) {
    array.push(readValue(reader, depth + 1));
    keepLiteral(reader, array, array.length - 1);
    skipSpace(reader);
    const char = reader.text[reader.at];
    if (char !== ',' && char !== ']') fail(reader, 'after array element');
    reader.at++;
    if (char === ']') return array;
  }
}

function readValue(reader: Reader, depth: number): unknown {
  skipSpace(reader);
  if (depth > maxJsonDepth) fail(reader, 'exceeded max depth');
  switch (reader.text[reader.at]) {
    case '{':
      return readObject(reader, depth);
    case '[':
      return readArray(reader, depth);
    case '"':
      return readString(reader);
    case 't':
      readLiteral(reader, 'true');
      return true;
    case 'f':
      readLiteral(reader, 'false');
      return false;
    case 'n':
      readLiteral(reader, 'null');
      return null;
    default:
      if (/[-0-9]/.test(reader.text[reader.at] ?? '')) return readNumber(reader);
      return fail(reader, 'looking for beginning of value');
  }
}

function parseSlowly(text: string): ParsedJson {
  const reader: Reader = { text, at: 0, duplicates: new Map(), literals: new Map(), literal: undefined };
  const value = readValue(reader, 0);
  skipSpace(reader);
  if (reader.at < text.length) fail(reader, 'after top-level value');
  return { value, duplicates: reader.duplicates, literals: reader.literals };
}

/** Members written in the text: colons outside strings. -1 when there are numbers that JSON.parse does not tell enough of: long, or with a point or an exponent. */
function writtenMembers(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) count++;
    else if (code === 34) i = endOfString(text, i);
    else if (code >= 48 && code <= 57) {
      const start = i;
      while (isDigit(text.charCodeAt(i + 1))) i++;
      const next = text.charCodeAt(i + 1);
      if (i - start >= 15 || next === 46 || next === 101 || next === 69) return -1;
    }
  }
  return count;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}

function keptMembers(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > maxJsonDepth) throw new JsonSyntaxError(`invalid character '${Array.isArray(value) ? '[' : '{'}' exceeded max depth`);
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += keptMembers(item, depth + 1);
    return count;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    count++;
    const member = object[key];
    if (typeof member === 'object') count += keptMembers(member, depth + 1);
  }
  return count;
}

const noDuplicates: ReadonlyMap<object, Members> = new Map();

/**
 * JSON.parse that also finds duplicate members, with Go's messages for what is not JSON. Fast: the text is parsed by
 * hand only when it has duplicates, numbers that are no short integers, or an error. Integers of more than 53 bits are bigints (see `numberOf`). Throws JsonSyntaxError.
 */
export function parseJson(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return parseSlowly(text);
  }
  return writtenMembers(text) === keptMembers(value, 0) ? { value, duplicates: noDuplicates } : parseSlowly(text);
}
