import { isRecord } from '@orrery/apimachinery';

/** Finds values in an object; none where the path leads nowhere. */
export type JsonPath = (object: unknown) => unknown[];

type Step = (values: readonly unknown[]) => unknown[];

export class JsonPathError extends Error {}

const childrenOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []);
const own = (value: unknown, name: string): unknown[] => (isRecord(value) && Object.hasOwn(value, name) ? [value[name]] : []);
const field = (name: string): Step => (values) => values.flatMap((value) => own(value, name));
const everyChild: Step = (values) => values.flatMap(childrenOf);

function index(text: string): Step {
  const n = Number(text);
  return (values) => values.flatMap((value) => (Array.isArray(value) && value.at(n) !== undefined ? [value.at(n)] : []));
}

function slice(text: string): Step {
  const [from = '', to = '', by = ''] = text.split(':');
  const step = by === '' ? 1 : Number(by);
  return (values) =>
    values.flatMap((value) => {
      if (!Array.isArray(value)) return [];
      return value.slice(from === '' ? 0 : Number(from), to === '' ? undefined : Number(to)).filter((_item, i) => i % step === 0) as unknown[];
    });
}

/** Everything below the values, in order. What holds others is visited once, or paths like `........` would never end. */
const everyDescendant: Step = (values) => {
  const seen = new Set<unknown>();
  const found: unknown[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) return;
      seen.add(value);
    }
    found.push(value);
    for (const child of childrenOf(value)) visit(child);
  };
  for (const value of values) visit(value);
  return found;
};

/** Filters within filters. */
const maxDepth = 32;

type Operand = (item: unknown) => unknown[];

function operand(text: string, depth: number): Operand {
  const trimmed = text.trim();
  if (trimmed.startsWith('@')) return compileSteps(trimmed.slice(1), depth + 1);
  const quoted = /^(["'])(.*)\1$/s.exec(trimmed);
  const value: unknown = quoted ? quoted[2] : trimmed === 'true' ? true : trimmed === 'false' ? false : Number(trimmed);
  if (typeof value === 'number' && Number.isNaN(value)) throw new JsonPathError(`unrecognized value ${trimmed} in a filter`);
  return () => [value];
}

const comparisons: Readonly<Record<string, (a: never, b: never) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
};

function filter(text: string, depth: number): Step {
  const parts = /^(.*?)(==|!=|<=|>=|<|>)(.*)$/s.exec(text);
  const left = operand(parts?.[1] ?? text, depth);
  const right = parts ? operand(parts[3] ?? '', depth) : undefined;
  const compare = comparisons[parts?.[2] ?? ''];
  const keeps = (item: unknown): boolean => {
    const [a] = left(item);
    if (!right || !compare) return a !== undefined;
    const [b] = right(item);
    return a !== undefined && b !== undefined && compare(a as never, b as never);
  };
  return (values) => values.flatMap((value) => (Array.isArray(value) ? (value as unknown[]).filter(keeps) : []));
}

/** The text in brackets, and where it ends; brackets within quotes and filters nest. */
function bracketed(text: string, from: number): { inner: string; next: number } {
  let depth = 0;
  let quote = '';
  for (let i = from; i < text.length; i++) {
    const c = text.charAt(i);
    if (quote) quote = c === quote ? '' : quote;
    else if (c === '"' || c === "'") quote = c;
    else if (c === '[') depth += 1;
    else if (c === ']' && --depth === 0) return { inner: text.slice(from + 1, i), next: i + 1 };
  }
  throw new JsonPathError('unterminated array');
}

function bracketStep(inner: string, depth: number): Step {
  const text = inner.trim();
  if (text === '*') return everyChild;
  if (text.startsWith('?(') && text.endsWith(')')) return filter(text.slice(2, -1), depth);
  const names = text.split(',').map((part) => part.trim());
  if (names.every((name) => /^(["']).*\1$/s.test(name))) return (values) => values.flatMap((value) => names.flatMap((name) => own(value, name.slice(1, -1))));
  if (names.length > 1 && names.every((name) => /^-?\d+$/.test(name))) return (values) => names.flatMap((name) => index(name)(values));
  if (/^-?\d+$/.test(text)) return index(text);
  if (/^(-?\d+)?:(-?\d+)?(:\d+)?$/.test(text)) return slice(text);
  throw new JsonPathError(`invalid array index ${inner}`);
}

/** A name up to the next dot or bracket; `\.` is a dot of the name. */
const namePattern = /(?:\\.|[^.[\\])+/y;

function compileSteps(text: string, depth = 0): JsonPath {
  if (depth > maxDepth) throw new JsonPathError('too many filters within filters');
  const steps: Step[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text.charAt(at);
    if (c === '[') {
      const { inner, next } = bracketed(text, at);
      steps.push(bracketStep(inner, depth));
      at = next;
      continue;
    }
    if (c === '.') at += 1;
    if (text.charAt(at) === '.') {
      steps.push(everyDescendant);
      at += 1;
    }
    namePattern.lastIndex = at;
    const name = namePattern.exec(text)?.[0];
    if (name === undefined) {
      if (text.charAt(at) === '[' || at >= text.length) continue;
      throw new JsonPathError(`unexpected ${JSON.stringify(text.slice(at))}`);
    }
    steps.push(name === '*' ? everyChild : field(name.replace(/\\(.)/g, '$1')));
    at += name.length;
  }
  return (object) => steps.reduce((values, step) => step(values), [object] as unknown[]);
}

/**
 * Compiles the JSONPath of a printer column: fields (dots escaped by a backslash), `['name']`, indexes, slices, `*`, `..`
 * and filters such as `[?(@.type=="Ready")]`. Throws JsonPathError.
 */
export function compileJsonPath(path: string): JsonPath {
  return compileSteps(path);
}

/** The same of a stored definition, which was judged when it came: what cannot be read (another server let it in) finds nothing. */
export function storedJsonPath(path: string): JsonPath {
  try {
    return compileSteps(path);
  } catch (error) {
    if (error instanceof JsonPathError) return () => [];
    throw error;
  }
}
