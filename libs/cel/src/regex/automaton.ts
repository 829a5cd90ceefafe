import { CelError } from '../values.ts';
import { maxSteps } from './match.ts';
import type { Instruction, MatchProgram } from './program.ts';

/** Where a matcher may stand before it reads the next letter: all steps at once. */
interface State {
  readonly steps: readonly number[];
  /** It has matched, whatever follows. */
  readonly isMatch: boolean;
  /** It has if nothing follows. */
  readonly isMatchAtEnd: boolean;
  /** The states after letters seen so far: of ASCII by code, of others by number. */
  readonly ascii: (State | undefined)[];
  readonly wide: Map<number, State>;
}

const maxStates = 1_000;

/**
 * A matcher's states, found as texts need them, so that a letter costs one look-up. Knows of the text's ends only: patterns
 * that look at the letters around go without.
 */
export class Automaton {
  private readonly program: MatchProgram;
  private readonly states = new Map<string, State>();
  private first: State | undefined;
  private work = 0;

  constructor(program: MatchProgram) {
    this.program = program;
  }

  static suits({ instructions }: MatchProgram): boolean {
    return instructions.every((instruction) => instruction.op !== 'assert' || instruction.what === 'textStart' || instruction.what === 'textEnd');
  }

  private at(step: number): Instruction {
    return this.program.instructions[step] as Instruction;
  }

  /** Steps that read, end or match, reached without reading. */
  private closure(from: readonly number[], { atStart, atEnd }: { readonly atStart: boolean; readonly atEnd: boolean }): number[] {
    const seen = new Set<number>();
    const found: number[] = [];
    const rest = [...from];
    while (rest.length) {
      const step = rest.pop() as number;
      if (seen.has(step)) continue;
      seen.add(step);
      const instruction = this.at(step);
      if (instruction.op === 'split') rest.push(instruction.other, instruction.to);
      else if (instruction.op !== 'assert') found.push(step);
      else if (instruction.what === 'textStart' ? atStart : atEnd) rest.push(instruction.to);
      else if (instruction.what === 'textEnd') found.push(step);
    }
    this.work += seen.size;
    if (this.work > maxSteps) throw new CelError('operation interrupted');
    return found.sort((a, b) => a - b);
  }

  private state(steps: readonly number[]): State {
    const key = steps.join();
    const known = this.states.get(key);
    if (known) return known;
    const isMatch = steps.some((step) => this.at(step).op === 'match');
    const isMatchAtEnd = isMatch || this.closure(steps, { atStart: false, atEnd: true }).some((step) => this.at(step).op === 'match');
    const state: State = { steps, isMatch, isMatchAtEnd, ascii: [], wide: new Map() };
    if (this.states.size >= maxStates) this.forget();
    this.states.set(key, state);
    return state;
  }

  /** Lets go of all states, which hold each other; they are found again when they are needed. */
  private forget(): void {
    this.states.clear();
    this.first = undefined;
  }

  private after(state: State, code: number): State {
    const next = state.steps.flatMap((step) => {
      const instruction = this.at(step);
      return instruction.op === 'char' && instruction.fits(code) ? [instruction.to] : [];
    });
    // A match may begin anywhere.
    const made = this.state(this.closure(this.program.isAnchored ? next : [...next, this.program.start], { atStart: false, atEnd: false }));
    if (code < 128) state.ascii[code] = made;
    else if (state.wide.size < maxStates) state.wide.set(code, made);
    return made;
  }

  /** Throws CelError when it takes too long. */
  search(text: string): boolean {
    this.work = 0;
    // Only here the end is the start as well.
    if (text === '') return this.closure([this.program.start], { atStart: true, atEnd: true }).some((step) => this.at(step).op === 'match');
    this.first ??= this.state(this.closure([this.program.start], { atStart: true, atEnd: false }));
    let state = this.first;
    for (let at = 0; at < text.length; ) {
      if (state.isMatch) return true;
      const code = text.codePointAt(at) as number;
      at += code > 0xffff ? 2 : 1;
      state = (code < 128 ? state.ascii[code] : state.wide.get(code)) ?? this.after(state, code);
      if (!state.steps.length) return false;
    }
    return state.isMatchAtEnd;
  }
}
