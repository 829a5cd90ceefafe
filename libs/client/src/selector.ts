import { type LabelSelectorObject, selectorFromObject } from '@orrery/apimachinery';

export type Labels = Readonly<Record<string, string>>;
export type Matcher<T> = (value: T) => boolean;

const none: Labels = {};

/** Of a `metav1.LabelSelector`: absent matches nothing, empty matches everything (as `LabelSelectorAsSelector`). */
export function labelSelectorMatcher(selector: LabelSelectorObject | undefined): Matcher<Labels | undefined> {
  const { matches } = selectorFromObject(selector);
  return (labels = none) => matches(labels);
}

/** A plain map of labels as a matcher; absent or empty matches nothing, as a Service's selector does. */
export function labelMapMatcher(selector: Labels | undefined): Matcher<Labels | undefined> {
  const entries = Object.entries(selector ?? {});
  if (!entries.length) return () => false;
  return (labels = none) => entries.every(([key, value]) => labels[key] === value);
}
