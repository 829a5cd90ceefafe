import type { FieldPath } from '../../validation/field-path.ts';
import { dns1123Subdomain, pathSegment } from '../../validation/names.ts';

/** A reference to an object of any kind, in the same namespace. */
export function checkTypedReference({ apiGroup, kind, name }: { readonly apiGroup?: string; readonly kind?: string; readonly name?: string }, at: FieldPath): void {
  if (apiGroup !== undefined) at.child('apiGroup').matches(apiGroup, dns1123Subdomain);
  if (!kind) at.child('kind').required('kind is required');
  else at.child('kind').matches(kind, pathSegment);
  if (!name) at.child('name').required('name is required');
  else at.child('name').matches(name, pathSegment);
}
