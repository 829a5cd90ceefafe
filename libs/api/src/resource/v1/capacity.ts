import { type Quantity, addQuantity, canonicalQuantity, compareQuantity, formatQuantity, tryParseQuantity, zeroQuantity } from '@orrery/apimachinery';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkSet } from '../../validation/lists.ts';

const maxOptions = 10;
const wholeNanos = 1_000_000_000n;

/** What is no quantity counts as 0: the schema has reported it. */
const amount = (value: string | undefined): Quantity => tryParseQuantity(value) ?? zeroQuantity;
const shown = (value: string | undefined): string => (tryParseQuantity(value) ? canonicalQuantity(value ?? '0') : '0');
const exceeds = (a: string | undefined, b: string | undefined): boolean => compareQuantity(amount(a), amount(b)) > 0;

interface Bounds {
  readonly capacity: string;
  readonly fallback: string;
  readonly at: FieldPath;
}

function checkOptions(options: readonly string[], { capacity, fallback, at }: Bounds): void {
  for (const [i, option] of options.entries()) {
    if (i > 0 && exceeds(options[i - 1], option)) at.at(i).invalid(shown(option), 'values must be sorted in ascending order');
  }
  checkSet(options, { at, max: maxOptions, key: (option) => String(amount(option).nanos) }, (option, item) => {
    if (exceeds(option, capacity)) item.invalid(shown(option), `option is larger than capacity value: ${shown(capacity)}`);
  });
  if (!options.some((option) => compareQuantity(amount(option), amount(fallback)) === 0)) at.invalid(shown(fallback), 'default value is not valid according to the requestPolicy');
}

function checkStep({ min, max, step }: CapacityRequestPolicyRange, { capacity, fallback, at }: Bounds): void {
  if (step === undefined) return;
  if (amount(step).nanos <= 0n) return at.invalid(shown(step), 'must be greater than zero');
  const first = addQuantity(amount(min), amount(step));
  if (compareQuantity(first, amount(capacity)) > 0) at.invalid(shown(step), `one step ${formatQuantity(first)} is larger than capacity value: ${shown(capacity)}`);
  // Upstream counts whole units, rounded up.
  const units = (value: string): bigint => (amount(value).nanos + wholeNanos - 1n) / wholeNanos;
  for (const value of [fallback, ...(max === undefined ? [] : [max])]) {
    const isMultiple = (units(value) - units(min)) % units(step) === 0n;
    if (!isMultiple) at.invalid(shown(value), `value is not a multiple of a given step (${shown(step)}) from (${shown(min)})`);
  }
}

function checkRange(range: CapacityRequestPolicyRange, bounds: Bounds): void {
  const { capacity, fallback, at } = bounds;
  const { min, max } = range;
  if (min === undefined) return at.child('min').required('required when validRange is defined');
  if (exceeds(min, capacity)) at.child('min').invalid(shown(min), `min is larger than capacity value: ${shown(capacity)}`);
  if (exceeds(min, fallback)) at.child('default').invalid(shown(fallback), `default is less than min: ${shown(min)}`);
  if (max !== undefined) {
    if (exceeds(min, max)) at.child('max').invalid(shown(min), `min is larger than max: ${shown(max)}`);
    if (exceeds(max, capacity)) at.child('max').invalid(shown(max), `max is larger than capacity value: ${shown(capacity)}`);
    if (exceeds(fallback, max)) at.child('default').invalid(shown(fallback), `default is more than max: ${shown(max)}`);
  }
  checkStep(range, { ...bounds, at: at.child('step') });
}

function checkPolicy(policy: CapacityRequestPolicy, { capacity, at }: { capacity: string; at: FieldPath }): void {
  const { validRange, validValues = [], default: fallback } = policy;
  if (validValues.length > 0 && validRange) return at.forbidden('exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time');
  const name = validValues.length > 0 ? 'validValues' : validRange ? 'validRange' : undefined;
  if (!name) return;
  if (fallback === undefined) return at.child('default').required(`required when ${name} is defined`);
  const bounds = { capacity, fallback, at: at.child(name) };
  if (validRange) checkRange(validRange, bounds);
  else checkOptions(validValues, bounds);
}

/** Only what several claims may share says how much of it a claim may ask for. */
export function checkCapacity({ value, requestPolicy }: DeviceCapacity, { at, isShared }: { at: FieldPath; isShared: boolean }): void {
  if (!requestPolicy) return;
  const path = at.child('requestPolicy');
  if (isShared) checkPolicy(requestPolicy, { capacity: value, at: path });
  else path.forbidden('allowMultipleAllocations must be true');
}
