import { type CharClass, holds } from './classes.ts';
import { type Assertion, type Node, PatternError } from './syntax.ts';

/** One step of a matcher; `to` and `other` are indexes of steps, the first preferred. */
export type Instruction =
  | { readonly op: 'char'; readonly fits: (code: number) => boolean; readonly to: number }
  | { readonly op: 'assert'; readonly what: Assertion; readonly to: number }
  | { op: 'split'; to: number; other: number }
  | { readonly op: 'match' };

const maxInstructions = 50_000;

/** ASCII by table. */
function tester(chars: CharClass): (code: number) => boolean {
  const table = Array.from({ length: 128 }, (_, code) => holds(chars, code));
  return (code) => (code < 128 ? (table[code] as boolean) : holds(chars, code));
}

class Assembler {
  readonly instructions: Instruction[] = [{ op: 'match' }];

  private add(instruction: Instruction): number {
    if (this.instructions.length >= maxInstructions) throw new PatternError('error parsing regexp: expression too large');
    this.instructions.push(instruction);
    return this.instructions.length - 1;
  }

  /** Steps for a node that go on at `to`; the index of the first. Built from the end. */
  compile(node: Node, to: number): number {
    switch (node.kind) {
      case 'class':
        return this.add({ op: 'char', fits: tester(node.chars), to });
      case 'assert':
        return this.add({ op: 'assert', what: node.what, to });
      case 'sequence':
        return node.parts.reduceRight((after, part) => this.compile(part, after), to);
      case 'choice':
        return node.parts.slice(0, -1).reduceRight((other, part) => this.add({ op: 'split', to: this.compile(part, to), other }), this.compile(node.parts.at(-1) as Node, to));
      case 'repeat':
        return this.repeat(node, to);
    }
  }

  private split(first: number, second: number, isLazy: boolean): number {
    return isLazy ? this.add({ op: 'split', to: second, other: first }) : this.add({ op: 'split', to: first, other: second });
  }

  private repeat({ part, min, max, isLazy }: Extract<Node, { kind: 'repeat' }>, to: number): number {
    let entry = to;
    if (max === Infinity) entry = this.loop(part, to, isLazy);
    else for (let i = min; i < max; i += 1) entry = this.split(this.compile(part, entry), to, isLazy);
    for (let i = 0; i < min; i += 1) entry = this.compile(part, entry);
    return entry;
  }

  private loop(part: Node, to: number, isLazy: boolean): number {
    const head = this.add({ op: 'split', to: 0, other: 0 });
    const body = this.compile(part, head);
    const split = this.instructions[head] as Extract<Instruction, { op: 'split' }>;
    split.to = isLazy ? to : body;
    split.other = isLazy ? body : to;
    return head;
  }
}

export interface MatchProgram {
  readonly instructions: readonly Instruction[];
  readonly start: number;
  /** Cannot match anywhere but at the start of the text. */
  readonly isAnchored: boolean;
}

const startsText = (node: Node): boolean => (node.kind === 'assert' && node.what === 'textStart') || (node.kind === 'sequence' && node.parts[0] !== undefined && startsText(node.parts[0])) || (node.kind === 'choice' && node.parts.every(startsText));

export function assemble(node: Node): MatchProgram {
  const assembler = new Assembler();
  const start = assembler.compile(node, 0);
  return { instructions: assembler.instructions, start, isAnchored: startsText(node) };
}
