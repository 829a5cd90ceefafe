import { makeRequirement, type Operator, type Requirement, type Selector, SelectorError, selectorOf } from './label-selector.ts';
import { qualifiedName } from '../validation/names.ts';
import { fieldError } from '@orrery/errors';

type TokenType = 'identifier' | 'end' | 'operator' | '!' | '(' | ')' | ',' | 'error';

interface Token {
  readonly type: TokenType;
  readonly text: string;
}

const symbols = new Set(['=', '==', '!=', '!', '(', ')', ',', '>', '<']);
const special = '=!(),><';
const space = ' \t\r\n';

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (space.includes(char)) {
      at++;
      continue;
    }
    let end = at + 1;
    if (special.includes(char)) {
      if (symbols.has(text.slice(at, at + 2))) end++;
      const symbol = text.slice(at, end);
      const punctuation = symbol === '!' || symbol === '(' || symbol === ')' || symbol === ',';
      tokens.push({ type: punctuation ? (symbol as TokenType) : 'operator', text: symbol });
    } else {
      while (end < text.length && !special.includes(text[end] ?? '') && !space.includes(text[end] ?? '')) end++;
      tokens.push({ type: 'identifier', text: text.slice(at, end) });
    }
    at = end;
  }
  return tokens;
}

interface Parser {
  readonly tokens: readonly Token[];
  at: number;
}

const endToken: Token = { type: 'end', text: '' };
const peek = (parser: Parser): Token => parser.tokens[parser.at] ?? endToken;
const next = (parser: Parser): Token => parser.tokens[parser.at++] ?? endToken;

function unexpected(token: Token, expected: string): never {
  throw new SelectorError(`found '${token.text}', expected: ${expected}`);
}

function parseOperator(parser: Parser): Operator {
  const token = next(parser);
  const names: Record<string, Operator> = { in: 'in', notin: 'notin', '=': '=', '==': '==', '!=': '!=', '>': 'gt', '<': 'lt' };
  const operator = Object.hasOwn(names, token.text) ? names[token.text] : undefined;
  return operator ?? unexpected(token, 'in, notin, =, ==, !=, gt, lt');
}

/** `(a,b,)`: empty entries count as the empty string. */
function parseValues(parser: Parser): string[] {
  const open = next(parser);
  if (open.type !== '(') throw new SelectorError(`found '${open.text}' expected: '('`);
  const values: string[] = [];
  if (peek(parser).type === ')') {
    next(parser);
    return values;
  }
  if (peek(parser).type !== 'identifier' && peek(parser).type !== ',') unexpected(peek(parser), "',', ')' or identifier");
  for (;;) {
    const token = next(parser);
    if (token.type === 'identifier') {
      values.push(token.text);
      if (peek(parser).type === ')') break;
      if (peek(parser).type !== ',') unexpected(peek(parser), "',' or ')'");
      continue;
    }
    if (token.type !== ',') unexpected(token, "',', or identifier");
    if (values.length === 0) values.push('');
    if (peek(parser).type === ')' || peek(parser).type === ',') values.push('');
    if (peek(parser).type === ')') break;
  }
  next(parser);
  return values;
}

function parseExactValue(parser: Parser): string[] {
  if (peek(parser).type === 'end' || peek(parser).type === ',') return [''];
  const token = next(parser);
  return token.type === 'identifier' ? [token.text] : unexpected(token, 'identifier');
}

function parseRequirement(parser: Parser): Requirement {
  const negated = peek(parser).type === '!';
  if (negated) next(parser);
  const token = next(parser);
  if (token.type !== 'identifier') unexpected(token, 'identifier');
  const keyErrors = qualifiedName(token.text);
  if (keyErrors.length > 0) {
    const error = fieldError.invalid('key', token.text, keyErrors.join('; '));
    throw new SelectorError(`${error.field}: ${error.message}`);
  }
  const after = peek(parser).type;
  if (negated) return makeRequirement(token.text, '!', []);
  if (after === 'end' || after === ',') return makeRequirement(token.text, 'exists', []);
  const operator = parseOperator(parser);
  const values = operator === 'in' || operator === 'notin' ? parseValues(parser) : parseExactValue(parser);
  return makeRequirement(token.text, operator, values);
}

function requirementInContext(parser: Parser): Requirement {
  try {
    return parseRequirement(parser);
  } catch (error) {
    if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`);
    throw error;
  }
}

const parsed = new Map<string, Selector>();

/** Parses `a=b,c!=d,e in (f,g),h,!i,j>1`. Throws SelectorError with upstream's message. Results are shared. */
export function parseLabelSelector(text: string): Selector {
  const known = parsed.get(text);
  if (known) return known;
  const parser: Parser = { tokens: tokenize(text), at: 0 };
  const requirements: Requirement[] = [];
  while (peek(parser).type !== 'end') {
    const token = peek(parser);
    if (token.type !== 'identifier' && token.type !== '!') unexpected(token, "!, identifier, or 'end of string'");
    requirements.push(requirementInContext(parser));
    const separator = next(parser);
    if (separator.type === 'end') break;
    if (separator.type !== ',') unexpected(separator, "',' or 'end of string'");
    const following = peek(parser);
    if (following.type !== 'identifier' && following.type !== '!') unexpected(following, "identifier after ','");
  }
  const selector = selectorOf(requirements);
  if (parsed.size >= 1024) parsed.clear();
  parsed.set(text, selector);
  return selector;
}
