import { CelError } from '../values.ts';
import type { MatchProgram } from './program.ts';
import type { Assertion } from './syntax.ts';

/** Steps of one search at most: time stays linear in the text, but patterns may be large. */
export const maxSteps = 100_000_000;

const isWord = (code: number): boolean => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);

function asserted(what: Assertion, before: number, after: number): boolean {
  switch (what) {
    case 'textStart':
      return before < 0;
    case 'textEnd':
      return after < 0;
    case 'lineStart':
      return before < 0 || before === 10;
    case 'lineEnd':
      return after < 0 || after === 10;
    default:
      return (isWord(before) !== isWord(after)) === (what === 'word');
  }
}

/** The steps reached, each once, in order of preference, with where their match began. */
class Threads {
  readonly steps: number[] = [];
  readonly begins: number[] = [];
  private readonly marks: Int32Array;
  private generation = 0;

  constructor(size: number) {
    this.marks = new Int32Array(size);
  }

  clear(): void {
    this.steps.length = 0;
    this.begins.length = 0;
    this.generation += 1;
  }

  /** True the first time since it was cleared. */
  reach(step: number): boolean {
    if (this.marks[step] === this.generation) return false;
    this.marks[step] = this.generation;
    return true;
  }
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

interface Place {
  readonly begin: number;
  readonly before: number;
  readonly after: number;
}

/** All steps that follow without reading. */
function follow(program: MatchProgram, threads: Threads, stack: number[], place: Place): number {
  let count = 0;
  while (stack.length) {
    const step = stack.pop() as number;
    if (!threads.reach(step)) continue;
    count += 1;
    const instruction = program.instructions[step] as MatchProgram['instructions'][number];
    if (instruction.op === 'split') stack.push(instruction.other, instruction.to);
    else if (instruction.op === 'assert') {
      if (asserted(instruction.what, place.before, place.after)) stack.push(instruction.to);
    } else {
      threads.steps.push(step);
      threads.begins.push(place.begin);
    }
  }
  return count;
}

const codeAt = (text: string, at: number): number => (at < text.length ? (text.codePointAt(at) as number) : -1);

function codeBefore(text: string, at: number): number {
  if (at === 0) return -1;
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low < 0xe000 && at > 1 ? (text.codePointAt(at - 2) as number) : low;
}

/** The leftmost match from `start` on, of those the preferred one; `any` stops at the first sign of one. Throws CelError when it takes too long. */
export function run(program: MatchProgram, text: string, options: { readonly start: number; readonly any: boolean }): Span | undefined {
  let current = new Threads(program.instructions.length);
  let following = new Threads(program.instructions.length);
  const stack: number[] = [];
  let found: Span | undefined;
  let steps = 0;
  let before = codeBefore(text, options.start);
  current.clear();
  for (let at = options.start; ; ) {
    const code = codeAt(text, at);
    if (!found && (!program.isAnchored || at === 0)) {
      stack.push(program.start);
      steps += follow(program, current, stack, { begin: at, before, after: code });
    }
    if (!current.steps.length && (found || program.isAnchored)) return found;
    const width = code > 0xffff ? 2 : 1;
    const next = codeAt(text, at + width);
    following.clear();
    for (let i = 0; i < current.steps.length; i += 1) {
      const instruction = program.instructions[current.steps[i] as number];
      if (instruction?.op === 'match') {
        found = { from: current.begins[i] as number, to: at };
        if (options.any) return found;
        break;
      }
      if (instruction?.op !== 'char' || code < 0 || !instruction.fits(code)) continue;
      stack.push(instruction.to);
      steps += follow(program, following, stack, { begin: current.begins[i] as number, before: code, after: next });
    }
    steps += current.steps.length;
    if (steps > maxSteps) throw new CelError('operation interrupted');
    if (code < 0) return found;
    [current, following] = [following, current];
    before = code;
    at += width;
  }
}
