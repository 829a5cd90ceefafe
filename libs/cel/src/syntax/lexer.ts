import { IssueError } from '../issues.ts';

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

/** The end of a literal that starts at `at`; -1 when nothing closes it. A raw one has no escapes. */
function literalEnd(source: string, at: number, opening: string): number {
  const mark = /"""|'''|"|'/.exec(opening)?.[0] ?? '"';
  const isRaw = /[rR]/.test(opening);
  const isLong = mark.length === 3;
  for (let i = at + opening.length; i < source.length; i += 1) {
    const letter = source[i];
    if (letter === '\\' && !isRaw) i += 1;
    else if (!isLong && (letter === '\n' || letter === '\r')) return -1;
    else if (source.startsWith(mark, i)) return i + mark.length;
  }
  return -1;
}

function literalAt(source: string, at: number): Token | undefined {
  const opening = matchAt(quote, source, at);
  if (opening === undefined) return undefined;
  const end = literalEnd(source, at, opening);
  if (end < 0) throw new IssueError(at, `Syntax error: token recognition error at: '${source.slice(at).split('\n')[0]}'`);
  return { kind: /^[rR]?[bB]/.test(opening) ? 'bytes' : 'string', text: source.slice(at, end), at };
}

function numberKind(text: string): TokenKind {
  if (/[uU]$/.test(text)) return 'uint';
  return !text.startsWith('0x') && /[.eE]/.test(text) ? 'double' : 'int';
}

function tokenAt(source: string, at: number): Token {
  const literal = literalAt(source, at);
  if (literal) return literal;
  const name = matchAt(word, source, at);
  if (name !== undefined) return { kind: 'name', text: name, at };
  const digits = matchAt(number, source, at);
  if (digits !== undefined) return { kind: numberKind(digits), text: digits, at };
  const sign = matchAt(operator, source, at);
  if (sign !== undefined) return { kind: 'operator', text: sign, at };
  const letter = String.fromCodePoint(source.codePointAt(at) ?? 0);
  throw new IssueError(at, `Syntax error: token recognition error at: '${letter}'`);
}

/** The tokens of a source, the last of kind 'end'. Throws IssueError. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ; ) {
    at += matchAt(space, source, at)?.length ?? 0;
    if (at >= source.length) return [...tokens, { kind: 'end', text: '<EOF>', at: source.length }];
    const token = tokenAt(source, at);
    tokens.push(token);
    at += token.text.length;
  }
}
