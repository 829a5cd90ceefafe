import { type Program, boolType, compile, environment, listType, mapType, objectType, stringType } from '@orrery/cel';
import type { SubjectAccessReviewSpec } from '@orrery/api/types';

const requirement = objectType('kubernetes.SelectorRequirement', { key: stringType, operator: stringType, values: listType(stringType) });
const selector = objectType('kubernetes.SelectorAttributes', { rawSelector: stringType, requirements: listType(requirement) });
const resource = objectType('kubernetes.ResourceAttributes', {
  namespace: stringType, verb: stringType, group: stringType, version: stringType, resource: stringType, subresource: stringType, name: stringType,
  fieldSelector: selector, labelSelector: selector,
});
const path = objectType('kubernetes.NonResourceAttributes', { path: stringType, verb: stringType });
const request = objectType('kubernetes.SubjectAccessReviewSpec', {
  resourceAttributes: resource,
  nonResourceAttributes: path,
  user: stringType,
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
  uid: stringType,
});
const conditions = environment({ variables: { request }, types: [request, resource, path, selector, requirement] });

export type CompiledCondition = { readonly program: Program; readonly problem?: undefined } | { readonly problem: string; readonly program?: undefined };

/** An expression over `request`, the spec of the SubjectAccessReview that would be sent. */
export function compileCondition(expression: string): CompiledCondition {
  const { program, failure } = compile(expression, conditions, { expect: boolType });
  return failure ? { problem: `compilation failed: ${failure.text}` } : { program };
}

/** `no`: one is false; an Error: none is false and one cannot be told; `yes`: all are true. */
export function meetsConditions(programs: readonly Program[], spec: SubjectAccessReviewSpec): 'yes' | 'no' | Error {
  const failures: string[] = [];
  const value = { uid: '', extra: {}, groups: [], user: '', ...spec };
  for (const program of programs) {
    const { value: met, error } = program.evaluate({ request: value });
    if (error) failures.push(`cel evaluation error: expression '${program.source}' resulted in error: ${error.message}`);
    else if (met !== true) return 'no';
  }
  return failures.length ? new Error(failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`) : 'yes';
}
