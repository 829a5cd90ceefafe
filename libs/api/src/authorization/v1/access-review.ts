import type { NonResourceAttributes, ResourceAttributes } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';

interface AccessSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
  readonly user?: string;
  readonly groups?: readonly string[];
}

/** Either about a resource or about a path. */
export function checkAttributes(spec: AccessSpec | undefined, at: FieldPath): void {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource && path) at.child('nonResourceAttributes').invalid(path, 'cannot be specified in combination with resourceAttributes');
  if (!resource && !path) at.child('resourceAttributes').invalid(null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified');
}

/** And about someone. */
export function checkSubjectAccess(spec: AccessSpec | undefined, at: FieldPath): void {
  checkAttributes(spec, at);
  if (!spec?.user && !spec?.groups?.length) at.child('user').invalid(spec?.user ?? '', 'at least one of user or group must be specified');
}
