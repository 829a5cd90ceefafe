import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems } from '../../validation/lists.ts';
import { qualifiedName } from '../../validation/names.ts';

const maxConditions = 4;

/** The conditions a device waits for before its pod is bound, and those that end the wait: both lists or neither. */
export function checkBindingConditions({ bindingConditions = [], bindingFailureConditions = [] }: { readonly bindingConditions?: readonly string[]; readonly bindingFailureConditions?: readonly string[] }, at: FieldPath): void {
  const good = at.child('bindingConditions');
  const bad = at.child('bindingFailureConditions');
  const check = (name: string, item: FieldPath): void => item.matches(name, qualifiedName);
  checkItems(bindingConditions, { at: good, max: maxConditions }, check);
  checkItems(bindingFailureConditions, { at: bad, max: maxConditions }, check);
  for (const [i, name] of bindingConditions.entries()) if (bindingConditions.indexOf(name) < i) good.at(i).duplicate(name);
  for (const [i, name] of bindingFailureConditions.entries()) {
    if (bindingFailureConditions.indexOf(name) < i) bad.at(i).duplicate(name);
    if (bindingConditions.includes(name)) bad.at(i).invalid(name, 'bindingFailureConditions must not overlap with bindingConditions');
  }
  if (bindingConditions.length === 0 && bindingFailureConditions.length > 0) good.invalid(null, 'bindingConditions are required to use bindingFailureConditions');
  if (bindingFailureConditions.length === 0 && bindingConditions.length > 0) bad.invalid(null, 'bindingFailureConditions are required to use bindingConditions');
}
