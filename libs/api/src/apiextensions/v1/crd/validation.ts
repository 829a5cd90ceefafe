import type { FieldError } from '@orrery/errors';
import type { CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from '../../../../gen/types.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkImmutable } from '../../../validation/fields.ts';
import { type StringRule, dns1035Label, dns1123Subdomain } from '../../../validation/names.ts';
import { checkApproval } from './approval.ts';
import { type ConversionTolerance, checkConversion, hasBadBundle } from './conversion-checks.ts';
import { checkParts } from './version-checks.ts';
import { partsOf } from './version-parts.ts';

/** All messages of a rule in one error. */
function checkText(value: string | undefined, at: FieldPath, rule: StringRule): void {
  const problems = value ? rule(value) : [];
  if (problems.length) at.invalid(value, problems.join(','));
}

const mixedCase: StringRule = (value) => {
  const problems = dns1035Label(value.toLowerCase());
  return problems.length ? [`may have mixed case, but should otherwise match: ${problems.join(',')}`] : [];
};

/** Of the spec, and of what was accepted. */
function checkNames(names: CustomResourceDefinitionNames | undefined, at: FieldPath): void {
  if (!names) return;
  checkText(names.plural, at.child('plural'), dns1035Label);
  checkText(names.singular, at.child('singular'), dns1035Label);
  checkText(names.kind, at.child('kind'), mixedCase);
  checkText(names.listKind, at.child('listKind'), mixedCase);
  for (const [i, short] of (names.shortNames ?? []).entries()) at.child('shortNames').at(i).matches(short, (value) => [dns1035Label(value).join(',')].filter(Boolean));
  if (names.kind && names.kind === names.listKind) at.child('listKind').invalid(names.listKind, 'kind and listKind may not be the same');
  for (const [i, category] of (names.categories ?? []).entries()) at.child('categories').at(i).matches(category, (value) => [dns1035Label(value).join(',')].filter(Boolean));
}

function checkGroup(group: string | undefined, at: FieldPath): void {
  if (!group) return at.required();
  const problems = dns1123Subdomain(group);
  if (problems.length) at.invalid(group, problems.join(','));
  else if (!group.includes('.')) at.invalid(group, 'should be a domain with at least one dot');
}

const printed = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Index in bytes of the first character that is not printed; -1: all are. */
function unprintable(text: string): number {
  let index = 0;
  for (const character of text) {
    if (!printed.test(character)) return index;
    index += Buffer.byteLength(character);
  }
  return -1;
}

function checkDeprecation({ deprecated, deprecationWarning: text }: CustomResourceDefinitionVersion, at: FieldPath): void {
  if (text === undefined) return;
  if (!deprecated) return at.invalid(text, 'can only be set for deprecated versions');
  if (Buffer.byteLength(text) > 256) at.invalid(text, 'must be <= 256 characters long');
  if (text === '') at.invalid(text, 'must not be an empty string');
  const index = unprintable(text);
  if (index >= 0) at.invalid(text, `must only contain printable UTF-8 characters; non-printable character found at index ${index}`);
}

function checkVersions(spec: CustomResourceDefinitionSpec, at: FieldPath): void {
  const list = spec.versions ?? [];
  const path = at.child('versions');
  const parts = partsOf(spec, at);
  for (const [i, version] of list.entries()) if (!version.schema?.openAPIV3Schema) path.at(i).child('schema').child('openAPIV3Schema').required('schemas are required');
  for (const [i, version] of list.entries()) {
    const name = path.at(i).child('name');
    const problems = dns1035Label(version.name ?? '');
    if (problems.length) name.invalid(version.name, problems.join(','));
    checkDeprecation(version, path.at(i).child('deprecationWarning'));
    const own = parts.versions[i];
    if (own) checkParts(own);
  }
  const names = list.map(({ name }) => name);
  if (new Set(names).size !== names.length) path.invalid(list, 'must contain unique version names');
  if (list.filter(({ storage }) => storage).length !== 1) path.invalid(list, 'must have exactly one version marked as storage version');
  const [first] = names;
  if (first) checkText(first, at.child('version'), dns1035Label);
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) if (!spec.names?.[name]) at.child('names').child(name).required();
  checkNames(spec.names, at.child('names'));
  checkParts(parts.common);
}

const isTrue = (definition: CustomResourceDefinition, type: string): boolean => (definition.status?.conditions ?? []).some((one) => one.type === type && one.status === 'True');

function checkDefinition({ metadata, spec }: CustomResourceDefinition, root: FieldPath, tolerance: ConversionTolerance): void {
  const at = root.child('spec');
  const name = metadata?.name ?? '';
  if (name !== `${spec?.names?.plural ?? ''}.${spec?.group ?? ''}`) root.child('metadata').child('name').invalid(name, 'must be spec.names.plural+"."+spec.group');
  checkGroup(spec?.group, at.child('group'));
  at.child('scope').requiredOneOf(spec?.scope, ['Cluster', 'Namespaced']);
  checkVersions(spec ?? ({} as CustomResourceDefinitionSpec), at);
  if (spec?.preserveUnknownFields && spec.conversion && spec.conversion.strategy !== 'None') at.child('conversion').child('strategy').invalid(spec.conversion.strategy, 'must be None if spec.preserveUnknownFields is true');
  checkConversion(spec?.conversion, at.child('conversion'), tolerance);
}

/** Objects were stored in these versions, so they must go on to be read. */
function checkStoredVersions(definition: CustomResourceDefinition, at: FieldPath): void {
  const stored = definition.status?.storedVersions ?? [];
  const versions = definition.spec?.versions ?? [];
  if (!stored.length) return at.invalid(stored, 'must have at least one stored version');
  for (const { name, storage } of versions) if (storage && !stored.includes(name)) at.invalid(stored, `must have the storage version ${name}`);
  for (const [i, name] of stored.entries()) {
    if (versions.some((version) => version.name === name)) continue;
    at.at(i).invalid(name, `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`);
  }
}

function checkPreserve({ spec }: CustomResourceDefinition, root: FieldPath): void {
  if (spec?.preserveUnknownFields) root.child('spec').child('preserveUnknownFields').invalid(true, 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead');
}

/** What is wrong with a new definition, in upstream's order and words. */
export const validateDefinition = (definition: CustomResourceDefinition): FieldError[] =>
  findProblems((root) => {
    checkDefinition(definition, root, { unknownReviewVersions: false, badBundle: true });
    checkApproval(definition, undefined, root);
    checkPreserve(definition, root);
  });

/** What is wrong with the new state of a definition; what was let in before may stay as it is. */
export function validateDefinitionUpdate(definition: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  return findProblems((root) => {
    const reviews = old.spec?.conversion?.webhook?.conversionReviewVersions ?? [];
    const isEstablished = isTrue(old, 'Established');
    checkDefinition(definition, root, {
      unknownReviewVersions: reviews.length > 0 && !reviews.some((version) => version === 'v1' || version === 'v1beta1'),
      badBundle: !isEstablished || hasBadBundle(old.spec?.conversion),
    });
    const at = root.child('spec');
    if (isEstablished) {
      checkImmutable({ value: definition.spec?.scope, old: old.spec?.scope }, at.child('scope'));
      checkImmutable({ value: definition.spec?.names?.kind, old: old.spec?.names?.kind }, at.child('names').child('kind'));
    }
    checkImmutable({ value: definition.spec?.group, old: old.spec?.group }, at.child('group'));
    checkImmutable({ value: definition.spec?.names?.plural, old: old.spec?.names?.plural }, at.child('names').child('plural'));
    const status = root.child('status');
    checkNames(definition.status?.acceptedNames, status.child('acceptedNames'));
    checkStoredVersions(definition, status.child('storedVersions'));
    checkApproval(definition, old, root);
    if (!old.spec?.preserveUnknownFields) checkPreserve(definition, root);
  });
}

/** Of a write to /status: what controllers accepted must be names. */
export const validateDefinitionStatus = (definition: CustomResourceDefinition): FieldError[] =>
  findProblems((root) => checkNames(definition.status?.acceptedNames, root.child('status').child('acceptedNames')));
