import { type LabelSelectorObject, selectorFromObject } from '@orrery/apimachinery';

export type Labels = Readonly<Record<string, string>>;
export type Matcher<T> = (value: T) => boolean;

const none: Labels = {};

const known = new WeakMap<LabelSelectorObject, Matcher<Labels | undefined>>();

/**
 * Of a `metav1.LabelSelector`: absent matches nothing, empty matches everything (as `LabelSelectorAsSelector`). Read once: as part of an
 * API object it must not be changed.
 */
export function labelSelectorMatcher(selector: LabelSelectorObject | undefined): Matcher<Labels | undefined> {
  let matcher = selector && known.get(selector);
  if (!matcher) {
    const { matches } = selectorFromObject(selector);
    matcher = (labels = none) => matches(labels);
    if (selector) known.set(selector, matcher);
  }
  return matcher;
}

/** A plain map of labels as a matcher; absent or empty matches nothing, as a Service's selector does. */
export function labelMapMatcher(selector: Labels | undefined): Matcher<Labels | undefined> {
  const entries = Object.entries(selector ?? {});
  if (!entries.length) return () => false;
  return (labels = none) => {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as readonly [string, string];
      if (labels[entry[0]] !== entry[1]) return false;
    }
    return true;
  };
}
