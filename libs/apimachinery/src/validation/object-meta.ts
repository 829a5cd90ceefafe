import { type FieldError, fieldError } from '@orrery/errors';
import { deepEqual } from '../equality.ts';
import type { ObjectMeta, OwnerReference } from '../object.ts';
import { annotationKey, checkName, dns1123Label, labelValue, type NameRule, qualifiedName, type StringRule } from './names.ts';

const immutable = 'field is immutable';
const maxAnnotationsBytes = 256 * 1024;

function invalidAll(path: string, value: string, rule: StringRule): FieldError[] {
  return rule(value).map((message) => fieldError.invalid(path, value, message));
}

function checkAll(errors: FieldError[], { path, rule }: { path: string; rule: StringRule }, value: string): void {
  for (const message of rule(value)) errors.push(fieldError.invalid(path, value, message));
}

/** Labels by themselves, e.g. of a pod template. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const [keys, values] = [{ path, rule: qualifiedName }, { path, rule: labelValue }];
  for (const key in labels) {
    checkAll(errors, keys, key);
    checkAll(errors, values, labels[key] as string);
  }
  return errors;
}

/** Annotations by themselves: keys, and 256 KiB in all. */
export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const keys = { path, rule: annotationKey };
  let bytes = 0;
  for (const key in annotations) {
    checkAll(errors, keys, key);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key] as string);
  }
  if (bytes > maxAnnotationsBytes) errors.push(fieldError.tooLong(path, '', maxAnnotationsBytes));
  return errors;
}

function validateOwnerReference(reference: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { apiVersion = '', kind = '' } = reference;
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  if (version === '') errors.push(fieldError.invalid(`${path}.apiVersion`, apiVersion, 'version must not be empty'));
  if (!kind) errors.push(fieldError.invalid(`${path}.kind`, kind, 'must not be empty'));
  if (!reference.name) errors.push(fieldError.invalid(`${path}.name`, reference.name ?? '', 'must not be empty'));
  if (!reference.uid) errors.push(fieldError.invalid(`${path}.uid`, reference.uid ?? '', 'must not be empty'));
  if (apiVersion === 'v1' && kind === 'Event') errors.push(fieldError.invalid(path, reference, '/v1, Kind=Event is disallowed from being an owner'));
  return errors;
}

function validateOwnerReferences(references: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let first = '';
  for (const reference of references) {
    errors.push(...validateOwnerReference(reference, path));
    if (reference.controller !== true) continue;
    const controller = `${reference.kind ?? ''}/${reference.name ?? ''}`;
    if (first === '') first = controller;
    else errors.push(fieldError.invalid(path, references, `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${controller}`));
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) => invalidAll(path, finalizer, qualifiedName));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(fieldError.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly fieldsType?: string;
  readonly subresource?: string;
}

function validateManagedFields(entries: readonly ManagedFieldsEntry[], path: string): FieldError[] {
  return entries.flatMap((entry, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(fieldError.invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') errors.push(fieldError.invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'));
    if ((entry.manager ?? '').length > 128) errors.push(fieldError.tooLong(`${at}.manager`, entry.manager, 128));
    if ((entry.subresource ?? '').length > 256) errors.push(fieldError.tooLong(`${at}.subresource`, entry.subresource, 256));
    return errors;
  });
}

function validateCommon(meta: ObjectMeta, path: string): FieldError[] {
  const { managedFields = [] } = meta as { managedFields?: ManagedFieldsEntry[] };
  return [
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwnerReferences(meta.ownerReferences ?? [], `${path}.ownerReferences`),
    ...validateFinalizers(meta.finalizers ?? [], `${path}.finalizers`),
    ...validateManagedFields(managedFields, `${path}.managedFields`),
  ];
}

/** What upstream's ValidateObjectMeta finds, in its order and words. `path` is usually `metadata`. */
export function validateObjectMeta(meta: ObjectMeta, options: { namespaced: boolean; nameRule: NameRule }, path = 'metadata'): FieldError[] {
  const { namespaced, nameRule } = options;
  const errors: FieldError[] = [];
  const { name = '', generateName = '', namespace = '', generation = 0 } = meta;
  if (generateName) errors.push(...invalidAll(`${path}.generateName`, generateName, (value) => checkName(nameRule, value, { isPrefix: true })));
  if (!name) errors.push(fieldError.required(`${path}.name`, 'name or generateName is required'));
  else errors.push(...invalidAll(`${path}.name`, name, (value) => checkName(nameRule, value)));
  if (!namespaced && namespace) errors.push(fieldError.forbidden(`${path}.namespace`, 'not allowed on this type'));
  else if (namespaced && !namespace) errors.push(fieldError.required(`${path}.namespace`));
  else if (namespaced) errors.push(...invalidAll(`${path}.namespace`, namespace, dns1123Label));
  if (generation < 0) errors.push(fieldError.invalid(`${path}.generation`, generation, 'must be greater than or equal to 0'));
  return [...errors, ...validateCommon(meta, path)];
}

/** What upstream's ValidateObjectMetaUpdate finds: immutable fields, then labels and the rest. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp !== undefined) {
    const known = new Set(old.finalizers);
    const added = new Set((meta.finalizers ?? []).filter((finalizer) => !known.has(finalizer)));
    if (added.size > 0) {
      const list = [...added].map((finalizer) => JSON.stringify(finalizer)).sort().join(', ');
      const text = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
      errors.push(fieldError.forbidden(`${path}.finalizers`, text));
    }
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(fieldError.invalid(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'));
  }
  const fixed = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const;
  for (const field of fixed) {
    if (!deepEqual(meta[field], old[field])) errors.push(fieldError.invalid(`${path}.${field}`, meta[field], immutable));
  }
  return [...errors, ...validateCommon(meta, path)];
}
