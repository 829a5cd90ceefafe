import type { Issue } from '../issues.ts';

export type TokenKind = 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'name' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; '<EOF>' at the end. */
  readonly text: string;
  readonly at: number;
}

const space = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /0x[0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)|[0-9]+[uU]?/y;
const operator = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}]/y;
const quote = /(?:[bB][rR]?|[rR][bB]?)?("""|'''|"|')/y;

function matchAt(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** Where a literal that starts at `at` ends, or where it could not go on. A raw one has no escapes. */
function literalEnd(source: string, at: number, opening: string): { readonly end: number; readonly isClosed: boolean } {
  const mark = /"""|'''|"|'/.exec(opening)?.[0] ?? '"';
  const isRaw = /[rR]/.test(opening);
  const isLong = mark.length === 3;
  for (let i = at + opening.length; i < source.length; i += 1) {
    const letter = source[i];
    if (letter === '\\' && !isRaw) i += 1;
    else if (!isLong && (letter === '\n' || letter === '\r')) return { end: i + 1, isClosed: false };
    else if (source.startsWith(mark, i)) return { end: i + mark.length, isClosed: true };
  }
  return { end: source.length, isClosed: false };
}

/** A piece of the source: a token, or what is none. */
type Piece = Token | { readonly kind: 'nothing'; readonly text: string; readonly at: number };

function literalAt(source: string, at: number): Piece | undefined {
  const opening = matchAt(quote, source, at);
  if (opening === undefined) return undefined;
  const { end, isClosed } = literalEnd(source, at, opening);
  if (isClosed) return { kind: /^[rR]?[bB]/.test(opening) ? 'bytes' : 'string', text: source.slice(at, end), at };
  const [prefix = ''] = /^[a-zA-Z]*/.exec(opening) ?? [];
  // As much as can be: a name before the quotes, an empty string of three.
  if (prefix !== '') return { kind: 'name', text: prefix, at };
  if (opening.length === 3) return { kind: 'string', text: opening.slice(0, 2), at };
  return { kind: 'nothing', text: source.slice(at, end), at };
}

function numberKind(text: string): TokenKind {
  if (/[uU]$/.test(text)) return 'uint';
  return !text.startsWith('0x') && /[.eE]/.test(text) ? 'double' : 'int';
}

/** Half of an operator takes the character after it along. */
function nothingAt(source: string, at: number): Piece {
  const letter = String.fromCodePoint(source.codePointAt(at) ?? 0);
  const after = source.codePointAt(at + letter.length);
  const isHalf = '=&|'.includes(letter) && after !== undefined;
  return { kind: 'nothing', text: isHalf ? letter + String.fromCodePoint(after) : letter, at };
}

function pieceAt(source: string, at: number): Piece {
  const literal = literalAt(source, at);
  if (literal) return literal;
  const name = matchAt(word, source, at);
  if (name !== undefined) return { kind: 'name', text: name, at };
  const digits = matchAt(number, source, at);
  if (digits !== undefined) return { kind: numberKind(digits), text: digits, at };
  const sign = matchAt(operator, source, at);
  return sign === undefined ? nothingAt(source, at) : { kind: 'operator', text: sign, at };
}

const shown = (text: string): string => text.replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');

/** The tokens of a source, the last of kind 'end'; what is none is reported and left out. */
export function tokensOf(source: string): { readonly tokens: readonly Token[]; readonly issues: readonly Issue[] } {
  const tokens: Token[] = [];
  const issues: Issue[] = [];
  for (let at = 0; ; ) {
    at += matchAt(space, source, at)?.length ?? 0;
    if (at >= source.length) return { tokens: [...tokens, { kind: 'end', text: '<EOF>', at: source.length }], issues };
    const piece = pieceAt(source, at);
    if (piece.kind === 'nothing') issues.push({ at, message: `Syntax error: token recognition error at: '${shown(piece.text)}'` });
    else tokens.push(piece);
    at += piece.text.length;
  }
}
