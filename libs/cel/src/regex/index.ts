import { CelError } from '../values.ts';
import { Automaton } from './automaton.ts';
import { type Span, run } from './match.ts';
import { type MatchProgram, assemble } from './program.ts';
import { PatternError, parsePattern } from './syntax.ts';

export { PatternError } from './syntax.ts';

const known = new Map<string, MatchProgram>();
const knownAtMost = 500;

/** A pattern ready to match. Throws PatternError with Go's message. */
export function compileRegex(pattern: string): MatchProgram {
  let program = known.get(pattern);
  if (program) return program;
  program = assemble(parsePattern(pattern));
  if (known.size >= knownAtMost) known.clear();
  known.set(pattern, program);
  return program;
}

function compiled(pattern: string): MatchProgram {
  try {
    return compileRegex(pattern);
  } catch (error) {
    if (error instanceof PatternError) throw new CelError(error.message);
    throw error;
  }
}

const automata = new WeakMap<MatchProgram, Automaton>();

/** Does the pattern match anywhere in the text? In time linear to the text. Throws CelError. */
export function search(pattern: string, text: string): boolean {
  const program = compiled(pattern);
  let automaton = automata.get(program);
  if (!automaton && Automaton.suits(program)) automata.set(program, (automaton = new Automaton(program)));
  return automaton ? automaton.search(text) : run(program, text, { start: 0, any: true }) !== undefined;
}

/** Matches one after another that do not overlap, as Go's FindAllString: an empty one right after another does not count. */
export function findAll(pattern: string, text: string, limit = Infinity): string[] {
  const program = compiled(pattern);
  const found: string[] = [];
  let last = -1;
  for (let start = 0; start <= text.length && found.length < limit; ) {
    const span: Span | undefined = run(program, text, { start, any: false });
    if (!span) return found;
    if (span.to > span.from || span.from !== last) found.push(text.slice(span.from, span.to));
    last = span.to;
    start = span.to > span.from ? span.to : span.to + ((text.codePointAt(span.to) ?? 0) > 0xffff ? 2 : 1);
  }
  return found;
}
