import type { FieldError } from '@orrery/errors';
import type { CustomResourceDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from '../../../../gen/types.ts';
import { type FieldPath, findProblems } from '../../../validation/field-path.ts';
import { checkImmutable } from '../../../validation/fields.ts';
import { dns1035Label, dns1123Subdomain } from '../../../validation/names.ts';
import { checkClientConfig } from '../../../admissionregistration/v1/webhooks.ts';
import { JsonPathError, compileJsonPath } from '../../../custom/json-path.ts';
import { checkStructural } from './structural.ts';

function checkNames(spec: CustomResourceDefinitionSpec, at: FieldPath): void {
  const { names } = spec;
  at.child('plural').requires(names?.plural, dns1035Label);
  at.child('singular').requires(names?.singular, dns1035Label);
  const kinds = [['kind', names?.kind], ['listKind', names?.listKind]] as const;
  for (const [name, value] of kinds) {
    if (!value) at.child(name).required();
    else for (const message of dns1035Label(value.toLowerCase())) at.child(name).invalid(value, `may have mixed case, but should otherwise match: ${message}`);
  }
  for (const [i, short] of (names?.shortNames ?? []).entries()) at.child('shortNames').at(i).matches(short, dns1035Label);
  for (const [i, category] of (names?.categories ?? []).entries()) at.child('categories').at(i).matches(category, dns1035Label);
  if (names?.kind && names.kind === names.listKind) at.child('listKind').invalid(names.listKind, 'kind and listKind may not be the same');
}

function checkPath(path: string, at: FieldPath): void {
  try {
    compileJsonPath(path);
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    at.invalid(path, `is an invalid JSONPath expression: ${error.message}`);
  }
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];

function checkVersion(version: CustomResourceDefinitionVersion, at: FieldPath): void {
  at.child('name').matches(version.name, dns1035Label);
  const warning = version.deprecationWarning;
  if (warning !== undefined && !version.deprecated) at.child('deprecationWarning').invalid(warning, 'can only be set for deprecated versions');
  const schema = version.schema?.openAPIV3Schema;
  const path = at.child('schema').child('openAPIV3Schema');
  if (!schema) path.required('schemas are required');
  else checkStructural(schema, path);
  const scale = version.subresources?.scale;
  if (scale) checkScale(scale, at.child('subresources').child('scale'));
  for (const [i, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const item = at.child('additionalPrinterColumns').at(i);
    if (!column.name) item.child('name').required();
    item.child('type').requiredOneOf(column.type, columnTypes);
    if (!column.jsonPath) item.child('jsonPath').required();
    else if (!column.jsonPath.startsWith('.')) item.child('jsonPath').invalid(column.jsonPath, 'must be a simple json path starting with .');
    else checkPath(column.jsonPath, item.child('jsonPath'));
  }
  const selectable = version.selectableFields ?? [];
  if (selectable.length > 8) at.child('selectableFields').tooMany(selectable.length, 8);
  for (const [i, { jsonPath }] of selectable.entries()) {
    const item = at.child('selectableFields').at(i).child('jsonPath');
    if (!jsonPath) item.required();
    else checkPath(jsonPath, item);
  }
}

function checkScale(scale: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string }, at: FieldPath): void {
  const spec = scale.specReplicasPath;
  if (!spec) at.child('specReplicasPath').required();
  else if (!spec.startsWith('.spec.')) at.child('specReplicasPath').invalid(spec, 'should be a json path under .spec');
  const status = scale.statusReplicasPath;
  if (!status) at.child('statusReplicasPath').required();
  else if (!status.startsWith('.status.')) at.child('statusReplicasPath').invalid(status, 'should be a json path under .status');
  const selector = scale.labelSelectorPath;
  if (selector && !selector.startsWith('.status.') && !selector.startsWith('.spec.')) at.child('labelSelectorPath').invalid(selector, 'should be a json path under either .spec or .status');
}

function checkVersions(spec: CustomResourceDefinitionSpec, at: FieldPath): void {
  const versions = spec.versions ?? [];
  const names = versions.map(({ name }) => name);
  for (const [i, version] of versions.entries()) checkVersion(version, at.at(i));
  if (new Set(names).size !== names.length) at.invalid(names, 'must contain unique version names');
  if (versions.filter(({ storage }) => storage).length !== 1) at.invalid(names, 'must have exactly one version marked as storage version');
}

function checkConversion({ conversion }: CustomResourceDefinitionSpec, at: FieldPath): void {
  if (!conversion) return;
  at.child('strategy').requiredOneOf(conversion.strategy, ['None', 'Webhook']);
  const webhook = conversion.webhook;
  if (conversion.strategy !== 'Webhook') {
    if (webhook) at.child('webhook').forbidden('should not be set when strategy is not set to Webhook');
    return;
  }
  if (!webhook?.clientConfig) return at.child('webhookClientConfig').required('required when strategy is set to Webhook');
  checkClientConfig(webhook.clientConfig, at.child('webhookClientConfig'));
  const reviews = webhook.conversionReviewVersions ?? [];
  if (reviews.length === 0) at.child('conversionReviewVersions').required();
  else if (!reviews.includes('v1') && !reviews.includes('v1beta1')) at.child('conversionReviewVersions').invalid(reviews, 'must include at least one of v1, v1beta1');
}

function checkDefinition({ metadata, spec }: CustomResourceDefinition, root: FieldPath): void {
  const at = root.child('spec');
  if (!spec) return at.required();
  const name = metadata?.name ?? '';
  if (name !== `${spec.names?.plural ?? ''}.${spec.group}`) root.child('metadata').child('name').invalid(name, 'must be spec.names.plural+"."+spec.group');
  at.child('group').requires(spec.group, dns1123Subdomain);
  if (spec.group && spec.group.split('.').length < 2) at.child('group').invalid(spec.group, 'should be a domain with at least one dot');
  at.child('scope').requiredOneOf(spec.scope, ['Cluster', 'Namespaced']);
  checkVersions(spec, at.child('versions'));
  if (spec.preserveUnknownFields) at.child('preserveUnknownFields').invalid(true, 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead');
  checkNames(spec, at.child('names'));
  checkConversion(spec, at.child('conversion'));
}

const approvalAnnotation = 'api-approved.kubernetes.io';

/** Groups of the project itself take only what was reviewed, or says that it was not. */
function checkApproval({ metadata, spec }: CustomResourceDefinition, root: FieldPath): void {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec?.group ?? '')) return;
  const at = root.child('metadata').child('annotations').at(approvalAnnotation);
  const value = metadata?.annotations?.[approvalAnnotation] ?? '';
  const more = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (value === '') at.required(`protected groups must have approval annotation "${approvalAnnotation}", ${more}`);
  else if (!value.startsWith('unapproved') && !URL.canParse(value)) at.invalid(value, `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", ${more}`);
}

export const validateDefinition = (definition: CustomResourceDefinition): FieldError[] =>
  findProblems((root) => {
    checkDefinition(definition, root);
    checkApproval(definition, root);
  });

export function validateDefinitionUpdate(definition: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  return findProblems((root) => {
    checkDefinition(definition, root);
    const at = root.child('spec');
    const { spec } = definition;
    const established = (old.status?.conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True');
    if (established) {
      checkImmutable({ value: spec?.scope, old: old.spec?.scope }, at.child('scope'));
      checkImmutable({ value: spec?.names?.kind, old: old.spec?.names?.kind }, at.child('names').child('kind'));
    }
    checkImmutable({ value: spec?.group, old: old.spec?.group }, at.child('group'));
    checkImmutable({ value: spec?.names?.plural, old: old.spec?.names?.plural }, at.child('names').child('plural'));
    const names = new Set((spec?.versions ?? []).map(({ name }) => name));
    for (const [i, stored] of (definition.status?.storedVersions ?? []).entries()) {
      if (!names.has(stored)) root.child('status').child('storedVersions').at(i).invalid(stored, 'missing from spec.versions; ' + `${stored} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${stored} and removes ${stored} from status.storedVersions`);
    }
  });
}
