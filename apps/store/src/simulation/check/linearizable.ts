import { seededRandom } from '@orrery/runtime';
import type { Call, Finding, History, Moment } from '../history.ts';

/** The value of a key; undefined: absent. */
type Value = string | undefined;

/** What one request did to one key: the state after it, or 'impossible' when it cannot have answered so in this state. */
interface Step {
  readonly call: Call;
  readonly invoked: Moment;
  /** Infinity: nobody knows whether or when. */
  readonly returned: Moment;
  readonly apply: (state: Value) => Value | typeof impossible;
}

const impossible = Symbol('impossible');
/** States looked at before a key is given up as undecided. */
const maxStates = 50_000;

/** The part of a call that concerns one key. Nothing of reads whose outcome is unknown, of serializable ones, of refused ones. */
function stepOf(call: Call, key: string): Step | undefined {
  const { operation, answer, invoked, refusal } = call;
  if (refusal !== undefined) return undefined;
  const known = answer !== undefined;
  const step = (apply: Step['apply']): Step => ({ call, invoked, returned: known ? (call.returned as Moment) : Infinity, apply });
  const valueIn = (): Value => answer?.kvs?.find((kv) => kv.key === key)?.value;
  switch (operation.kind) {
    case 'put':
      return operation.key === key ? step(() => operation.value) : undefined;
    case 'putAll':
      return operation.keys.includes(key) ? step(() => operation.value) : undefined;
    case 'delete':
      if (operation.key !== key) return undefined;
      return step((state) => (known && (answer.deleted ?? 0) !== Number(state !== undefined) ? impossible : undefined));
    case 'swap': {
      if (operation.key !== key) return undefined;
      const wanted = operation.expected?.value;
      if (!known) return step((state) => (state === wanted ? operation.value : state));
      if (answer.swapped) return step((state) => (state === wanted ? operation.value : impossible));
      return step((state) => (state !== wanted && state === valueIn() ? state : impossible));
    }
    case 'range':
      if (!known || operation.serializable || operation.revision !== undefined || (operation.key !== undefined && operation.key !== key)) return undefined;
      return step((state) => (state === valueIn() ? state : impossible));
  }
}

/** A place in the list of invocations and returns that are not linearized yet. */
interface Node {
  readonly index: number;
  readonly step: Step;
  readonly isReturn: boolean;
  previous: Node | undefined;
  next: Node | undefined;
  match: Node | undefined;
}

function listOf(steps: readonly Step[]): Node {
  const head: Node = { index: -1, step: steps[0] as Step, isReturn: false, previous: undefined, next: undefined, match: undefined };
  const nodes = steps.flatMap((step, index): { at: Moment; node: Node }[] => {
    const common = { index, step, previous: undefined, next: undefined };
    const end: Node = { ...common, isReturn: true, match: undefined };
    return [{ at: step.invoked, node: { ...common, isReturn: false, match: end } }, { at: step.returned, node: end }];
  });
  let last = head;
  for (const { node } of nodes.sort((a, b) => a.at - b.at || a.node.index - b.node.index)) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function lift(node: Node): void {
  for (const one of [node, node.match as Node]) {
    if (one.previous) one.previous.next = one.next;
    if (one.next) one.next.previous = one.previous;
  }
}

function unlift(node: Node): void {
  for (const one of [node.match as Node, node]) {
    if (one.previous) one.previous.next = one;
    if (one.next) one.next.previous = one;
  }
}

/**
 * Tells sets of steps with a state apart by 53 bits drawn for each step and state, combined: far cheaper than spelling them out,
 * and as good, for the few that a search meets.
 */
class Marks {
  private readonly random = seededRandom(1);
  private readonly ofStates = new Map<Value, readonly [number, number]>();
  private readonly ofSteps: (readonly [number, number])[];
  private high = 0;
  private low = 0;

  constructor(steps: number) {
    this.ofSteps = Array.from({ length: steps }, () => this.draw());
  }

  private draw(): readonly [number, number] {
    return [this.random.int(2 ** 21), this.random.int(2 ** 32)];
  }

  toggle(step: number): void {
    const [high, low] = this.ofSteps[step] as readonly [number, number];
    this.high ^= high;
    this.low ^= low;
  }

  /** Of the steps that are toggled, and this state. */
  with(state: Value): number {
    let drawn = this.ofStates.get(state);
    if (!drawn) this.ofStates.set(state, (drawn = this.draw()));
    return (this.high ^ drawn[0]) * 2 ** 32 + ((this.low ^ drawn[1]) >>> 0);
  }
}

/** Whether there is an order of the steps that agrees with real time and with every answer: 'yes', 'undecided', or what it fails at. */
function search(steps: readonly Step[]): 'yes' | 'undecided' | Step {
  if (steps.length === 0) return 'yes';
  const head = listOf(steps);
  const tried = new Set<number>();
  const marks = new Marks(steps.length);
  const stack: { node: Node; state: Value }[] = [];
  // Nothing answered is left: what is unknown may never have come to pass.
  let answersLeft = steps.filter(({ returned }) => returned !== Infinity).length;
  let state: Value;
  let deepest: { depth: number; step: Step } | undefined;
  for (let node = head.next; answersLeft > 0; ) {
    if (tried.size > maxStates) return 'undecided';
    if (node && !node.isReturn) {
      const after = node.step.apply(state);
      marks.toggle(node.index);
      const mark = after === impossible ? undefined : marks.with(after as Value);
      if (mark !== undefined && !tried.has(mark)) {
        tried.add(mark);
        stack.push({ node, state });
        state = after as Value;
        if (node.step.returned !== Infinity) answersLeft -= 1;
        lift(node);
        node = head.next;
      } else {
        marks.toggle(node.index);
        node = node.next;
      }
      continue;
    }
    if (node && (!deepest || stack.length > deepest.depth)) deepest = { depth: stack.length, step: node.step };
    const back = stack.pop();
    if (!back) return deepest?.step ?? (steps[0] as Step);
    ({ state } = back);
    marks.toggle(back.node.index);
    if (back.node.step.returned !== Infinity) answersLeft += 1;
    unlift(back.node);
    node = back.node.next;
  }
  return 'yes';
}

/** Without requests of unknown outcome whose value nobody saw: they may as well never have come to pass. */
function likely(steps: readonly Step[]): readonly Step[] {
  const seen = new Set<Value>();
  for (const { call: { answer, operation } } of steps) {
    for (const { value } of answer?.kvs ?? []) seen.add(value);
    if (operation.kind === 'swap') seen.add(operation.expected?.value);
  }
  return steps.filter(({ returned, call: { operation } }) => returned !== Infinity || !('value' in operation) || seen.has(operation.value));
}

/** Only a deletion may have met a value that it does not tell. */
function hasBlindWitness(steps: readonly Step[]): boolean {
  return steps.some(({ call: { operation, answer } }) => operation.kind === 'delete' && (answer?.deleted ?? 0) > 0);
}

/**
 * Linearizability by search (Wing and Gong, with Lowe's memory of what was tried), one key at a time, without regard to
 * revisions: it would find what wrong revisions hide. Requests with unknown outcome may have come to pass at any later time,
 * or never. Values must be unique, and the keys changed by these calls alone.
 */
export function checkLinearizable(history: History, keys: readonly string[]): { findings: Finding[]; undecided: number } {
  const findings: Finding[] = [];
  let undecided = 0;
  for (const key of keys) {
    const steps = history.calls.map((call) => stepOf(call, key)).filter((step) => step !== undefined);
    const few = likely(steps);
    const first = search(few);
    const result = first !== 'yes' && few.length < steps.length && hasBlindWitness(steps) ? search(steps) : first;
    if (result === 'undecided') undecided += 1;
    else if (result !== 'yes') {
      const { client, member, operation, answer } = result.call;
      findings.push({ checker: 'linearizable', message: `${key}: no order explains the answers up to ${client} @${member} ${JSON.stringify(operation)} -> ${JSON.stringify(answer)}` });
    }
  }
  return { findings, undecided };
}
