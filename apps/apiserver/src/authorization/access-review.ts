import type { FieldSelectorRequirement, LabelSelectorRequirement, SubjectAccessReviewSpec } from '@orrery/api/types';
import { SelectorError, parseFieldSelector, parseLabelSelector } from '@orrery/apimachinery';
import type { AuthorizationAttributes } from '../pipeline/index.ts';

const labelOperators: Readonly<Record<string, string>> = { in: 'In', '=': 'In', '==': 'In', notin: 'NotIn', '!=': 'NotIn', exists: 'Exists', '!': 'DoesNotExist' };
const selecting = new Set(['list', 'watch', 'deletecollection']);

/** What a selector requires; undefined for one that cannot be read: then authorizers see none, as if everything were asked for. */
function requirementsOf<T>(read: () => T[]): T[] | undefined {
  try {
    const requirements = read();
    return requirements.length ? requirements : undefined;
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

function fieldRequirements(text: string | undefined): FieldSelectorRequirement[] | undefined {
  if (!text) return undefined;
  return requirementsOf(() => parseFieldSelector(text).requirements.map(({ field, operator, value }) => ({ key: field, operator: operator === '=' ? 'In' : 'NotIn', values: [value] })));
}

function labelRequirements(text: string | undefined): LabelSelectorRequirement[] | undefined {
  if (!text) return undefined;
  return requirementsOf(() =>
    parseLabelSelector(text).requirements.flatMap(({ key, operator, values }) => {
      const name = labelOperators[operator];
      return name ? [{ key, operator: name, ...(values.length ? { values: [...values] } : {}) }] : [];
    }),
  );
}

/** The question as SubjectAccessReview spells it, every field of a resource given. */
export function accessReviewSpec({ user, info, fieldSelector, labelSelector }: AuthorizationAttributes): SubjectAccessReviewSpec {
  const extra = Object.fromEntries(Object.entries(user.extra ?? {}).map(([key, values]) => [key, [...values]]));
  const who = { user: user.username, ...(user.uid ? { uid: user.uid } : {}), groups: [...user.groups], ...(user.extra ? { extra } : {}) };
  if (!info.isResource) return { ...who, nonResourceAttributes: { path: info.path, verb: info.verb } };
  const { namespace, verb, group, version, resource, subresource, name } = info;
  const fields = selecting.has(verb) ? fieldRequirements(fieldSelector) : undefined;
  const labels = selecting.has(verb) ? labelRequirements(labelSelector) : undefined;
  return {
    ...who,
    resourceAttributes: {
      namespace, verb, group, version, resource, subresource, name,
      ...(fields ? { fieldSelector: { requirements: fields } } : {}),
      ...(labels ? { labelSelector: { requirements: labels } } : {}),
    },
  };
}
