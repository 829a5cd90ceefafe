import type { FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes } from '@orrery/api/types';
import { SelectorError, parseFieldSelector, parseLabelSelector } from '@orrery/apimachinery';

/** The selectors of a review as lists have them, and what could not be understood (for `evaluationError`). */
export interface ReviewSelectors {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly problems: readonly string[];
}

interface Read {
  readonly text: string;
  /** Requirements that were left out. */
  readonly ignored: boolean;
}

const escapeField = (value: string): string => value.replace(/[\\,=]/g, (char) => `\\${char}`);

/** Requirements of more than one value cannot be said of fields. */
function fieldTerms({ rawSelector, requirements = [] }: FieldSelectorAttributes): Read {
  if (rawSelector) return { text: rawSelector, ignored: false };
  const terms = requirements.flatMap(({ key, operator, values = [] }) => {
    const [value = ''] = values;
    if (values.length !== 1 || (operator !== 'In' && operator !== 'NotIn')) return [];
    return [`${key}${operator === 'In' ? '=' : '!='}${escapeField(value)}`];
  });
  return { text: terms.join(','), ignored: terms.length < requirements.length };
}

function labelTerms({ rawSelector, requirements = [] }: LabelSelectorAttributes): Read {
  if (rawSelector) return { text: rawSelector, ignored: false };
  const terms = requirements.flatMap(({ key, operator, values = [] }) => {
    if (operator === 'In') return [`${key} in (${values.join(',')})`];
    if (operator === 'NotIn') return [`${key} notin (${values.join(',')})`];
    if (operator === 'Exists') return [key];
    return operator === 'DoesNotExist' ? [`!${key}`] : [];
  });
  return { text: terms.join(','), ignored: terms.length < requirements.length };
}

function isReadable(text: string, parse: (text: string) => unknown): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

function judge(read: Read, field: string, parse: (text: string) => unknown): { text?: string; problem?: string } {
  if (!isReadable(read.text, parse)) return { problem: `spec.resourceAttributes.${field} ignored due to parse error` };
  if (!read.ignored) return read.text ? { text: read.text } : {};
  return read.text ? { text: read.text, problem: `spec.resourceAttributes.${field} partially ignored due to parse error` } : { problem: `spec.resourceAttributes.${field} ignored due to parse error` };
}

/** Reads what a review says about selectors. What cannot be understood is left out: the question is then about more. */
export function reviewSelectors(attributes: ResourceAttributes | undefined): ReviewSelectors {
  const field = attributes?.fieldSelector ? judge(fieldTerms(attributes.fieldSelector), 'fieldSelector', parseFieldSelector) : {};
  const label = attributes?.labelSelector ? judge(labelTerms(attributes.labelSelector), 'labelSelector', parseLabelSelector) : {};
  return {
    ...(field.text ? { fieldSelector: field.text } : {}),
    ...(label.text ? { labelSelector: label.text } : {}),
    problems: [field.problem, label.problem].filter((problem) => problem !== undefined),
  };
}
