import type { ValidationRule } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { findField } from './field-reference.ts';
import type { Schema } from './schema-node.ts';

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const hasNewlines = (text: string): boolean => /[\n\r]/.test(text);

function checkMessage({ rule = '', message = '' }: ValidationRule, at: FieldPath): void {
  if (rule.trim() === '') at.child('rule').required('rule is not specified');
  else if (message !== '' && message.trim() === '') at.child('message').invalid(message, 'message must be non-empty if specified');
  else if (hasNewlines(message.trim())) at.child('message').invalid(message, 'message must not contain line breaks');
  else if (hasNewlines(rule.trim()) && message.trim() === '') at.child('message').required('message must be specified if rule contains line breaks');
}

/** The texts of the rules in CEL (x-kubernetes-validations) of one schema; what the expressions say is judged elsewhere. */
export function checkRuleTexts(schema: Schema, at: FieldPath): void {
  for (const [i, rule] of ((schema['x-kubernetes-validations'] ?? []) as readonly ValidationRule[]).entries()) {
    const path = at.child('x-kubernetes-validations').at(i);
    const { messageExpression = '', reason, fieldPath = '' } = rule;
    checkMessage(rule, path);
    if (messageExpression !== '' && messageExpression.trim() === '') path.child('messageExpression').required('messageExpression must be non-empty if specified');
    if (reason !== undefined && !reasons.includes(reason)) path.child('reason').notSupported(reason, reasons);
    if (fieldPath === '') continue;
    if (fieldPath.trim() === '') path.child('fieldPath').invalid(fieldPath, 'fieldPath must be non-empty if specified');
    if (hasNewlines(fieldPath)) path.child('fieldPath').invalid(fieldPath, 'fieldPath must not contain line breaks');
    if (typeof findField(fieldPath, schema) === 'string') path.child('fieldPath').invalid(fieldPath, 'fieldPath must be a valid path');
  }
}
