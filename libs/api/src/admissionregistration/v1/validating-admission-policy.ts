import type { FieldError } from '@orrery/errors';
import type { AuditAnnotation, ExpressionWarning, ValidatingAdmissionPolicy, Validation } from '../../../gen/types.ts';
import { JsonPathError, compileJsonPath } from '../../custom/json-path.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, integer, nameColumn, text } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';
import { ExpressionCheck } from '../expression-check.ts';
import { checkMatchConditions } from './match-conditions.ts';
import { checkMatchConstraints, checkParamKind, defaultMatchResources, paramKind } from './policies.ts';

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const maxAuditAnnotations = 20;
const maxValueExpressionBytes = 5 * 1024;
const lineBreak = /[\n\r]/;

function checkMessage({ message = '' }: Validation, at: FieldPath): void {
  const trimmed = message.trim();
  if (message && !trimmed) at.invalid(message, 'message must be non-empty if specified');
  else if (lineBreak.test(trimmed)) at.invalid(message, 'message must not contain line breaks');
}

function checkValidation(validation: Validation, at: FieldPath, check: ExpressionCheck): void {
  const { expression = '', messageExpression = '', reason } = validation;
  if (!expression.trim()) at.child('expression').required('expression is not specified');
  else check.compile('validation', expression, at.child('expression'));
  if (messageExpression && !messageExpression.trim()) at.child('messageExpression').invalid(messageExpression, 'must be non-empty if specified');
  else if (messageExpression) check.compile('message', messageExpression, at.child('messageExpression'));
  checkMessage(validation, at.child('message'));
  if (reason !== undefined && !reasons.includes(reason)) at.child('reason').notSupported(reason, reasons);
}

function checkAuditAnnotation({ key = '', valueExpression = '' }: AuditAnnotation, at: FieldPath, { policy, check }: { policy: string; check: ExpressionCheck }): void {
  if (!policy) at.child('key').invalid(key, 'requires metadata.name be non-empty');
  else for (const message of qualifiedName(`${policy}/${key}`)) at.child('key').invalid(`${policy}/${key}`, message);
  const trimmed = valueExpression.trim();
  if (!trimmed) at.child('valueExpression').required('valueExpression is not specified');
  else if (Buffer.byteLength(trimmed) > maxValueExpressionBytes) at.child('valueExpression').required(`must not exceed ${maxValueExpressionBytes} bytes in length`);
  else check.compile('auditAnnotation', trimmed, at.child('valueExpression'));
}

function checkAuditAnnotations(annotations: readonly AuditAnnotation[], at: FieldPath, context: { policy: string; check: ExpressionCheck }): void {
  if (annotations.length > maxAuditAnnotations) at.invalid(annotations, `must not have more than ${maxAuditAnnotations} auditAnnotations`);
  const keys = new Set<string>();
  for (const [i, annotation] of annotations.entries()) {
    checkAuditAnnotation(annotation, at.at(i), context);
    if (keys.has(annotation.key)) at.at(i).child('key').duplicate(annotation.key);
    keys.add(annotation.key);
  }
}

function checkSpec({ metadata, spec = {} }: ValidatingAdmissionPolicy, at: FieldPath, old?: ValidatingAdmissionPolicy): void {
  at.child('failurePolicy').requiredOneOf(spec.failurePolicy, ['Fail', 'Ignore']);
  checkParamKind(spec.paramKind, at.child('paramKind'));
  checkMatchConstraints(spec.matchConstraints, at.child('matchConstraints'));
  const hasParams = spec.paramKind !== undefined;
  const before = old?.spec;
  const sameConditions = before !== undefined && semanticEqual(spec.paramKind, before.paramKind) && semanticEqual(spec.matchConditions, before.matchConditions);
  if (!sameConditions) checkMatchConditions(spec.matchConditions, at.child('matchConditions'), { hasParams });
  const check = new ExpressionCheck({ hasParams, hasVariables: (spec.variables ?? []).length > 0, hasPatchTypes: false });
  check.variables(spec.variables, at.child('variables'));
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    at.child('validations').required('validations or auditAnnotations must contain at least one item');
    at.child('auditAnnotations').required('validations or auditAnnotations must contain at least one item');
    return;
  }
  for (const [i, validation] of (spec.validations ?? []).entries()) checkValidation(validation, at.child('validations').at(i), check);
  checkAuditAnnotations(spec.auditAnnotations ?? [], at.child('auditAnnotations'), { policy: metadata?.name ?? '', check });
}

function checkWarning({ fieldRef = '', warning }: ExpressionWarning, at: FieldPath): void {
  if (!warning) at.child('warning').required();
  const path = fieldRef.trim();
  if (!path) return at.child('fieldRef').required();
  try {
    compileJsonPath(path);
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    at.child('fieldRef').invalid(path, `invalid JSONPath: ${error.message}`);
  }
}

function validateStatus({ status }: ValidatingAdmissionPolicy): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    for (const [i, warning] of (status?.typeChecking?.expressionWarnings ?? []).entries()) checkWarning(warning, at.child('typeChecking').child('expressionWarnings').at(i));
    checkConditions(status?.conditions, at.child('conditions'));
  });
}

export const validatingAdmissionPolicyKind = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  listKind: 'ValidatingAdmissionPolicyList',
  resource: 'validatingadmissionpolicies',
  namespaced: false,
  categories: ['api-extensions'],
  hasStatus: true,
  generation: 'spec',
  unconditionalUpdate: false,
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  validate: (policy) => findProblems((root) => checkSpec(policy, root.child('spec'))),
  validateUpdate: (policy, old) => findProblems((root) => checkSpec(policy, root.child('spec'), old)),
  validateStatusUpdate: validateStatus,
  columns: [
    nameColumn,
    integer('Validations', ({ spec }) => (spec?.validations ?? []).length),
    text('ParamKind', ({ spec }) => paramKind(spec?.paramKind)),
    ageColumn,
  ],
});
