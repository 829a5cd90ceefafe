import { IssueError } from '../issues.ts';
import { type CelType, bytesType, doubleType, intType, stringType, uintType } from '../types.ts';
import { type CelValue, CelUint } from '../values.ts';
import type { Token } from './lexer.ts';

const simple: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92, "'": 39, '"': 34, '`': 96, '?': 63 };
const escape = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv\\'"`?]))/y;

function inside(token: Token): { readonly text: string; readonly isRaw: boolean } {
  const [, prefix = '', mark = '"'] = /^([bBrR]*)("""|'''|"|')/.exec(token.text) ?? [];
  return { text: token.text.slice(prefix.length + mark.length, -mark.length).replace(/\r\n?/g, '\n'), isRaw: /[rR]/.test(prefix) };
}

interface Piece {
  /** A code point, or a byte of a bytes literal. */
  readonly code: number;
  readonly isByte: boolean;
}

function escapeAt(text: string, at: number, token: Token): { readonly piece: Piece; readonly length: number } {
  escape.lastIndex = at;
  const [whole, hex, short, long, octal, letter] = escape.exec(text) ?? [];
  if (whole === undefined) throw new IssueError(token.at, 'unable to unescape string');
  const unicode = short ?? long;
  const code = unicode !== undefined ? Number.parseInt(unicode, 16) : hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : (simple[letter ?? ''] ?? 0);
  const isBytes = token.kind === 'bytes';
  if (unicode !== undefined && (isBytes || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))) throw new IssueError(token.at, 'unable to unescape string');
  return { piece: { code, isByte: isBytes && letter === undefined }, length: whole.length };
}

function pieces(token: Token): Piece[] {
  const { text, isRaw } = inside(token);
  const found: Piece[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] === '\\' && !isRaw) {
      const { piece, length } = escapeAt(text, at, token);
      found.push(piece);
      at += length;
    } else {
      const code = text.codePointAt(at) ?? 0;
      found.push({ code, isByte: false });
      at += code > 0xffff ? 2 : 1;
    }
  }
  return found;
}

const plain = (token: Token): string | undefined => {
  const { text, isRaw } = inside(token);
  return isRaw || !text.includes('\\') ? text : undefined;
};

function stringValue(token: Token): string {
  return plain(token) ?? pieces(token).map(({ code }) => String.fromCodePoint(code)).join('');
}

function bytesValue(token: Token): Uint8Array {
  const known = plain(token);
  if (known !== undefined) return new TextEncoder().encode(known);
  return Uint8Array.from(pieces(token).flatMap(({ code, isByte }) => (isByte ? [code] : [...new TextEncoder().encode(String.fromCodePoint(code))])));
}

const maxInt = 2n ** 63n - 1n;
const maxUint = 2n ** 64n - 1n;

function intValue(token: Token, isNegative: boolean): bigint {
  const size = BigInt(token.text);
  if (size > (isNegative ? maxInt + 1n : maxInt)) throw new IssueError(token.at, 'invalid int literal');
  return isNegative ? -size : size;
}

function uintValue(token: Token): CelUint {
  const size = BigInt(token.text.slice(0, -1));
  if (size > maxUint) throw new IssueError(token.at, 'invalid uint literal');
  return new CelUint(size);
}

function doubleValue(token: Token): number {
  const value = Number(token.text);
  if (!Number.isFinite(value)) throw new IssueError(token.at, 'invalid double literal');
  return value;
}

/** The value of a literal's token. Throws IssueError for what is out of range or badly escaped. */
export function literalOf(token: Token, isNegative = false): { readonly value: CelValue; readonly type: CelType } {
  switch (token.kind) {
    case 'int':
      return { value: intValue(token, isNegative), type: intType };
    case 'uint':
      return { value: uintValue(token), type: uintType };
    case 'double':
      return { value: isNegative ? -doubleValue(token) : doubleValue(token), type: doubleType };
    case 'bytes':
      return { value: bytesValue(token), type: bytesType };
    default:
      return { value: stringValue(token), type: stringType };
  }
}
