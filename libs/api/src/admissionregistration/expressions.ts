import {
  type CelType, type Environment, type ObjectType, type Program, authorizerType, boolType, compile, dynType, environment, formatType, intType, jsonPatchType, listType, mapType, nullType, objectConstructionType,
  objectType, stringType, timestampType,
} from '@orrery/cel';

/** What an expression of a policy or webhook is for: decides what it may come to, and whether it may ask an authorizer. */
export type ExpressionSort = 'matchCondition' | 'validation' | 'message' | 'auditAnnotation' | 'variable' | 'applyConfiguration' | 'jsonPatch';

/** What the expressions of one policy see besides request, namespaceObject and authorizer. */
export interface ExpressionScope {
  readonly hasParams: boolean;
  /** `Object{…}` and `JSONPatch{…}` of mutating policies. */
  readonly hasPatchTypes: boolean;
  /** The policy's variables so far, with their types; undefined where expressions see none. */
  readonly variables?: Readonly<Record<string, CelType>>;
  /** Of type checking against a schema; else anything goes. */
  readonly objectType?: CelType;
  readonly paramsType?: CelType;
}

const strings = listType(stringType);
const kindType = objectType('kubernetes.GroupVersionKind', { group: stringType, version: stringType, kind: stringType });
const resourceType = objectType('kubernetes.GroupVersionResource', { group: stringType, version: stringType, resource: stringType });
const userType = objectType('kubernetes.UserInfo', { username: stringType, uid: stringType, groups: strings, extra: mapType(stringType, strings) });

/** Upstream's hand-made type of `request`: an AdmissionRequest without uid and objects. */
export const requestType: ObjectType = objectType('kubernetes.AdmissionRequest', {
  kind: kindType, resource: resourceType, subResource: stringType, requestKind: kindType, requestResource: resourceType, requestSubResource: stringType,
  name: stringType, namespace: stringType, operation: stringType, userInfo: userType, dryRun: boolType, options: dynType,
});

const namespaceMetadataType = objectType('kubernetes.NamespaceMetadata', {
  name: stringType, generateName: stringType, namespace: stringType, labels: mapType(stringType, stringType), annotations: mapType(stringType, stringType), UID: stringType,
  creationTimestamp: timestampType, deletionGracePeriodSeconds: intType, deletionTimestamp: timestampType, generation: intType, resourceVersion: stringType, finalizers: strings,
});
const namespaceConditionType = objectType('kubernetes.NamespaceCondition', { status: stringType, type: stringType, lastTransitionTime: timestampType, message: stringType, reason: stringType });

/** Upstream's hand-made type of `namespaceObject`: what a policy may know of a namespace. */
export const namespaceType: ObjectType = objectType('kubernetes.Namespace', {
  metadata: namespaceMetadataType,
  spec: objectType('kubernetes.NamespaceSpec', { finalizers: strings }),
  status: objectType('kubernetes.NamespaceStatus', { conditions: listType(namespaceConditionType), phase: stringType }),
});

const results: Readonly<Record<ExpressionSort, readonly CelType[]>> = {
  matchCondition: [boolType],
  validation: [boolType],
  message: [stringType],
  auditAnnotation: [stringType, nullType],
  variable: [],
  applyConfiguration: [objectConstructionType],
  jsonPatch: [listType(jsonPatchType)],
};

function makeEnvironment(sort: ExpressionSort, scope: ExpressionScope): Environment {
  const { variables, objectType: object = dynType, paramsType = dynType } = scope;
  return environment({
    variables: {
      object, oldObject: object, request: requestType, namespaceObject: namespaceType,
      ...(scope.hasParams ? { params: paramsType } : {}),
      ...(sort === 'message' ? {} : { authorizer: authorizerType }),
      ...(variables ? { variables: objectType('kubernetes.variables', variables) } : {}),
    },
    types: [requestType, namespaceType],
    libraries: scope.hasPatchTypes ? { jsonPatch: true, objectConstruction: true } : {},
  });
}

const plain = new Map<string, Environment>();

/** Scopes without anything of their own share an environment: compiling remembers by it. */
function environmentOf(sort: ExpressionSort, scope: ExpressionScope): Environment {
  if (scope.variables || scope.objectType || scope.paramsType) return makeEnvironment(sort, scope);
  const key = `${sort === 'message'} ${scope.hasParams} ${scope.hasPatchTypes}`;
  let found = plain.get(key);
  if (!found) plain.set(key, (found = makeEnvironment(sort, scope)));
  return found;
}

export type CompiledExpression = { readonly program: Program; readonly problem?: undefined } | { readonly problem: string; readonly program?: undefined };

const isExactly = (type: CelType, wanted: readonly CelType[]): boolean => wanted.some((one) => formatType(one) === formatType(type));

/** Compiles an expression; the problem is in upstream's words. */
export function compileExpression(sort: ExpressionSort, source: string, scope: ExpressionScope): CompiledExpression {
  const { program, failure } = compile(source, environmentOf(sort, scope));
  if (failure) return { problem: `compilation failed: ${failure.text}` };
  const wanted = results[sort];
  const got = program.resultType;
  if (wanted.length === 0 || isExactly(got, wanted)) return { program };
  const [only] = wanted;
  const names = wanted.map(formatType);
  return { problem: wanted.length === 1 && only ? `must evaluate to ${formatType(only)} but got ${formatType(got)}` : `must evaluate to one of [${names.join(' ')}] but got ${formatType(got)}` };
}

/** What a type checker says of an expression whatever it comes to; undefined when it has nothing to say. */
export function checkTypes(sort: ExpressionSort, source: string, scope: ExpressionScope): string | undefined {
  return compile(source, environmentOf(sort, scope)).failure?.text;
}

const identifier = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const reserved = new Set('true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '));

export const isCelIdentifier = (name: string): boolean => identifier.test(name) && !reserved.has(name);
