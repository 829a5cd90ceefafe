import type { KindDescriptor } from '@orrery/api';
import { type FieldSelector, SelectorError, checkFieldsSupported, parseFieldSelector, parseLabelSelector, requiredFieldValue } from '@orrery/apimachinery';
import { badRequest } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { type Selection, indexedFields } from '../cache/selection.ts';
import { itemKey } from '../storage/keys.ts';

/** Scope and selectors as sent. */
export interface SelectorOptions {
  readonly namespace: string;
  /** Of a watch on a single object by path. */
  readonly name?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

const noFields: FieldSelector = { requirements: [], matches: () => true };

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

/** Custom resources have words of their own, and without namespaces not even that field. */
function checkCustomFields(kind: KindDescriptor, selector: FieldSelector): void {
  const known = ['metadata.name', ...(kind.namespaced ? ['metadata.namespace'] : []), ...kind.selectableFields];
  for (const { field } of selector.requirements) if (!known.includes(field)) throw new SelectorError(`field label not supported: ${field}`);
}

function fieldsOf(kind: KindDescriptor, text: string | undefined): FieldSelector {
  if (!text) return noFields;
  const selector = parseFieldSelector(text);
  if (kind.customSchema) checkCustomFields(kind, selector);
  else checkFieldsSupported(selector, kind.selectableFields);
  return selector;
}

/** Compiles selectors and finds the narrowest way to answer them. Throws 400 for what cannot be parsed or selected by. */
export function selectionOf(kind: KindDescriptor, options: SelectorOptions): Selection {
  const { name, labelSelector, fieldSelector } = options;
  const fields = parsed(() => fieldsOf(kind, fieldSelector));
  const labels = labelSelector ? parsed(() => parseLabelSelector(labelSelector)) : undefined;
  const namespace = kind.namespaced ? options.namespace || (requiredFieldValue(fields, 'metadata.namespace') ?? '') : '';
  const oneName = name || requiredFieldValue(fields, 'metadata.name');
  const single = oneName !== undefined && oneName !== '' && (namespace !== '' || !kind.namespaced);
  const index = kind.storedAs ? undefined : indexedFields(kind).find((f) => requiredFieldValue(fields, f) !== undefined);
  // What the key already says need not be asked of every object.
  const onlyName = single && fields.requirements.every((r) => r.field === 'metadata.name' && r.operator === '=' && r.value === oneName);
  const byField = fields.requirements.length && !onlyName ? (entry: Entry) => fields.matches(entry.view(kind).fields(kind)) : undefined;
  // A webhook may change labels.
  const labelsOf = kind.storedAs?.conversion ? (entry: Entry) => entry.view(kind).labels : (entry: Entry) => entry.labels;
  const byLabel = labels?.requirements.length ? (entry: Entry) => labels.matches(labelsOf(entry)) : undefined;
  const matches = byField && byLabel ? (entry: Entry) => byLabel(entry) && byField(entry) : (byField ?? byLabel);
  return {
    namespace,
    ...(single ? { key: itemKey(kind, namespace, oneName) } : {}),
    ...(index && !single ? { indexed: { field: index, value: requiredFieldValue(fields, index) ?? '' } } : {}),
    ...(matches ? { matches } : {}),
  };
}
