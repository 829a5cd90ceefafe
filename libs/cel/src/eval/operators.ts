import { equalityCost } from '../cost/runtime.ts';
import type { Overload } from '../library/index.ts';
import { CelError, CelOptional, type CelValue, typeNameOf } from '../values.ts';
import { celEqual } from './equality.ts';
import type { Frame, Step } from './frame.ts';

export function bool(value: CelValue): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
}

/** && and ||: a side that decides makes up for an error of the other. */
export function planLogical(left: Step, right: Step, decides: boolean): Step {
  return (frame) => {
    try {
      if (bool(left(frame)) === decides) return decides;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return unlessDecided(right, frame, { decides, failure: error });
    }
    return bool(right(frame));
  };
}

function unlessDecided(right: Step, frame: Frame, { decides, failure }: { readonly decides: boolean; readonly failure: CelError }): CelValue {
  try {
    if (right(frame) === decides) return decides;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
  }
  throw failure;
}

export function noOverload(name: string, args: readonly CelValue[]): CelError {
  return new CelError(/^(?:_|!|-|@)/.test(name) ? 'no such overload' : `no such overload: ${name}(${args.map(typeNameOf).join(', ')})`);
}

export function fits(overload: Overload, args: readonly CelValue[]): boolean {
  const { accepts } = overload;
  for (let i = 0; i < accepts.length; i += 1) if (!(accepts[i] as (value: CelValue) => boolean)(args[i] as CelValue)) return false;
  return true;
}

/** The value of an entry; undefined when it is optional and there is none. */
export function taken(value: CelValue, isOptional: boolean): CelValue | undefined {
  if (!isOptional) return value;
  if (value instanceof CelOptional) return value.value;
  throw new CelError('no such overload');
}

/** `==` and `!=`. */
export function planEquality(left: Step, right: Step, expected: boolean): Step {
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    frame.charge(equalityCost(a, b));
    return celEqual(a, b) === expected;
  };
}
