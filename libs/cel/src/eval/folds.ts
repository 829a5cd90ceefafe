import type { Fold } from '../syntax/ast.ts';
import { listCost } from '../cost/factors.ts';
import { CelError, CelList, type CelValue, LiteralMap, type MapKey, isCelMap, mapKey } from '../values.ts';
import type { Frame, Step } from './frame.ts';

/** A macro's parts, made ready. Slots are where its variables go. */
export interface FoldPlan {
  readonly fold: Fold;
  readonly range: Step;
  readonly slot: number;
  readonly second: number | undefined;
  readonly condition: Step | undefined;
  readonly body: Step;
}

/** Sets the variables to one member after another; stops when `take` says false. */
function over(plan: FoldPlan, frame: Frame, take: () => boolean): void {
  const { slot, second } = plan;
  const range = plan.range(frame);
  const { slots } = frame;
  if (range instanceof CelList) {
    for (let i = 0; i < range.size; i += 1) {
      slots[slot] = second === undefined ? range.at(i) : BigInt(i);
      if (second !== undefined) slots[second] = range.at(i);
      if (!take()) return;
    }
    return;
  }
  if (!isCelMap(range)) throw new CelError('no such overload');
  for (const key of range.keys()) {
    slots[slot] = key;
    if (second !== undefined) slots[second] = range.find(key);
    if (!take()) return;
  }
}

function bool(value: CelValue): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
}

/** What upstream's comprehensions take besides their parts: for the condition, the accumulator and the step. */
const stepCost = { all: 3, exists: 4, map: listCost + 2, filter: listCost + 3, transformMap: 3, transformMapEntry: 2 };

/** An error waits whether another member decides. */
function quantified(plan: FoldPlan, decides: boolean): Step {
  const cost = decides ? stepCost.exists : stepCost.all;
  return (frame) => {
    let failure: CelError | undefined;
    let isDecided = false;
    over(plan, frame, () => {
      frame.charge(cost);
      try {
        isDecided = bool(plan.body(frame)) === decides;
      } catch (error) {
        if (!(error instanceof CelError)) throw error;
        failure ??= error;
      }
      return !isDecided;
    });
    frame.charge(1);
    if (failure && !isDecided) throw failure;
    return isDecided === decides;
  };
}

function existsOne(plan: FoldPlan): Step {
  return (frame) => {
    let count = 0;
    over(plan, frame, () => {
      const holds = bool(plan.body(frame));
      frame.charge(holds ? 2 : 1);
      if (holds) count += 1;
      return true;
    });
    frame.charge(2);
    return count === 1;
  };
}

/** Members that the condition leaves out only cost a look at what there is so far. */
function kept(frame: Frame, condition: Step | undefined): boolean {
  if (!condition || bool(condition(frame))) return true;
  frame.charge(1);
  return false;
}

function listed(plan: FoldPlan): Step {
  const isFilter = plan.fold === 'filter';
  const condition = isFilter ? plan.body : plan.condition;
  const cost = isFilter ? stepCost.filter : stepCost.map;
  return (frame) => {
    const items: CelValue[] = [];
    over(plan, frame, () => {
      if (!kept(frame, condition)) return true;
      frame.charge(cost);
      items.push(isFilter ? (frame.slots[plan.slot] as CelValue) : plan.body(frame));
      return true;
    });
    frame.charge(1);
    return new CelList(items);
  };
}

type Entries = Map<MapKey, readonly [CelValue, CelValue]>;

function insert(entries: Entries, key: CelValue, value: CelValue): void {
  const known = mapKey(key);
  if (known === undefined) throw new CelError('unsupported key type');
  if (entries.has(known)) throw new CelError(`insert failed: key ${String(known)} already exists`);
  entries.set(known, [key, value]);
}

function mapped(plan: FoldPlan): Step {
  const isEntry = plan.fold === 'transformMapEntry';
  return (frame) => {
    const entries: Entries = new Map();
    over(plan, frame, () => {
      if (!kept(frame, plan.condition)) return true;
      frame.charge(isEntry ? stepCost.transformMapEntry : stepCost.transformMap);
      const made = plan.body(frame);
      if (!isEntry) insert(entries, frame.slots[plan.slot] as CelValue, made);
      else if (isCelMap(made)) for (const key of made.keys()) insert(entries, key, made.find(key) as CelValue);
      else throw new CelError('no such overload');
      return true;
    });
    frame.charge(1);
    return new LiteralMap(entries);
  };
}

/** The step of a macro. */
export function planFold(plan: FoldPlan): Step {
  switch (plan.fold) {
    case 'all':
      return quantified(plan, false);
    case 'exists':
      return quantified(plan, true);
    case 'existsOne':
      return existsOne(plan);
    case 'map':
    case 'filter':
      return listed(plan);
    default:
      return mapped(plan);
  }
}

