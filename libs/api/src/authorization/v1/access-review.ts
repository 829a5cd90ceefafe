import type { FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';

interface AccessSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
  readonly user?: string;
  readonly groups?: readonly string[];
}

type SelectorAttributes = FieldSelectorAttributes | LabelSelectorAttributes;
type SelectorRequirement = NonNullable<SelectorAttributes['requirements']>[number];

/** Operators of newer clients are let through: authorizers leave them out. */
function checkRequirement({ key, operator, values = [] }: SelectorRequirement, at: FieldPath): void {
  if ((operator === 'In' || operator === 'NotIn') && !values.length) at.child('values').required("must be specified when `operator` is 'In' or 'NotIn'");
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length) at.child('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  if (!key) at.child('key').required('must be specified');
}

function checkSelector(selector: SelectorAttributes | undefined, at: FieldPath, labels: boolean): void {
  if (!selector) return;
  const { rawSelector = '', requirements = [] } = selector;
  if (rawSelector && requirements.length) at.child('rawSelector').invalid(rawSelector, 'may not specified at the same time as requirements');
  if (!rawSelector && !requirements.length) at.child('requirements').required(`when ${at.path} is specified, requirements or rawSelector is required`);
  for (const [i, requirement] of requirements.entries()) {
    const path = at.child('requirements').at(i);
    checkRequirement(requirement, path);
    if (labels && requirement.key) path.child('key').matches(requirement.key, qualifiedName);
  }
}

/** Either about a resource or about a path. */
export function checkAttributes(spec: AccessSpec | undefined, at: FieldPath): void {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource && path) at.child('nonResourceAttributes').invalid(path, 'cannot be specified in combination with resourceAttributes');
  if (!resource && !path) at.child('resourceAttributes').invalid(null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified');
}

function checkSelectors(spec: AccessSpec | undefined, at: FieldPath): void {
  const resource = at.child('resourceAttributes');
  checkSelector(spec?.resourceAttributes?.fieldSelector, resource.child('fieldSelector'), false);
  checkSelector(spec?.resourceAttributes?.labelSelector, resource.child('labelSelector'), true);
}

/** A question of the asker about himself. */
export function checkSelfAccess(spec: AccessSpec | undefined, at: FieldPath): void {
  checkAttributes(spec, at);
  checkSelectors(spec, at);
}

/** And about someone. */
export function checkSubjectAccess(spec: AccessSpec | undefined, at: FieldPath): void {
  checkAttributes(spec, at);
  if (!spec?.user && !spec?.groups?.length) at.child('user').invalid(spec?.user ?? '', 'at least one of user or group must be specified');
  checkSelectors(spec, at);
}

/** Questions have no name. */
export function checkNoMetadata(metadata: object | undefined, root: FieldPath, options: { readonly namespaced: boolean } = { namespaced: false }): void {
  const given = Object.entries(metadata ?? {}).filter(([key, value]) => value !== undefined && value !== null && key !== 'managedFields' && !(options.namespaced && key === 'namespace'));
  if (given.length) root.child('metadata').invalid(metadata, options.namespaced ? 'must be empty except for namespace' : 'must be empty');
}
