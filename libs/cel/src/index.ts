/**
 * The Common Expression Language with Kubernetes' libraries, type checking and cost limits.
 *
 *     const env = environment({ variables: { object: dynType, request: requestType, authorizer: authorizerType } });
 *     const { program, failure } = compile("object.spec.replicas <= 5", env, { expect: boolType });
 *     if (failure) refuse(`compilation failed: ${failure.text}`);
 *     const { value, error, cost } = program.evaluate({ object, request, authorizer: authorizerValue(ask) });
 */
export type { AuthorizerCallback, AuthorizerDecision, AuthorizerQuery, RequestResource } from './authorizer.ts';
export { type Bindings, type CelFailure, type CelIssue, type Compilation, type CompileFailure, type CompileOptions, type CostEstimate, type EvaluateOptions, type Outcome, type Program, compile } from './compile.ts';
export { type Environment, type Libraries, environment, jsonPatchType, objectConstructionType } from './environment.ts';
export { authorizerValue } from './library/authorizers.ts';
export { maxRequestBytes, perCallCostLimit, perDefinitionEstimateLimit, perExpressionEstimateLimit, perMatchConditionsCostLimit, perObjectCostLimit } from './limits.ts';
export { PatternError, compileRegex, search } from './regex/index.ts';
export { toJson } from './to-json.ts';
export * from './types.ts';
export { CelDuration, CelError, CelList, type CelMap, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue, LiteralMap, fromJson, isCelMap, lazy, typeNameOf } from './values.ts';
