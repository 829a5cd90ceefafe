import { parseDuration, parseTimestamp } from '../eval/time.ts';
import type { Issue } from '../issues.ts';
import { PatternError, compileRegex } from '../regex/index.ts';
import { type Call, type Expression, partsOf } from '../syntax/ast.ts';

function isPattern(text: string): boolean {
  try {
    compileRegex(text);
    return true;
  } catch (error) {
    if (error instanceof PatternError) return false;
    throw error;
  }
}

const readable: Readonly<Record<string, (text: string) => boolean>> = {
  duration: (text) => parseDuration(text) !== undefined,
  timestamp: (text) => parseTimestamp(text) !== undefined,
  matches: isPattern,
};

function ofCall({ name, args, target }: Call): Issue[] {
  const arg = name === 'matches' && !target ? args[1] : args[0];
  const check = Object.hasOwn(readable, name) ? readable[name] : undefined;
  if (!check || arg?.kind !== 'literal' || typeof arg.value !== 'string' || check(arg.value)) return [];
  return [{ at: arg.at, message: `invalid ${name} argument` }];
}

/** Literal durations, timestamps and patterns that cannot be read. */
export function checkLiterals(root: Expression): Issue[] {
  const issues: Issue[] = [];
  const seen = new Set<Expression>();
  const rest = [root];
  for (let expression = rest.pop(); expression; expression = rest.pop()) {
    if (seen.has(expression)) continue;
    seen.add(expression);
    if (expression.kind === 'call') issues.push(...ofCall(expression));
    for (const part of partsOf(expression)) rest.push(part);
  }
  return issues;
}
