import type { CelType } from '@orrery/cel';
import { dynType } from '@orrery/cel';
import type { ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy } from '../../gen/types.ts';
import { type ExpressionScope, checkTypes, compileExpression } from './expressions.ts';

/** A kind that a policy may be about; `type` is how expressions see its objects, undefined where nothing is known. */
export interface CheckedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly type: CelType | undefined;
}

/** Looks kinds up; undefined for what is not served. */
export interface KindSource {
  byResource(group: string, version: string, resource: string): CheckedKind | undefined;
  byKind(group: string, version: string, kind: string): CheckedKind | undefined;
}

/** Kinds of one rule that are looked at. */
const maxKinds = 10;

const identity = ({ group, version, kind }: CheckedKind): string => [group, version, kind].join(' ');

/** What a rule names outright: wildcards name nothing. */
function kindsOf(rule: NamedRuleWithOperations, source: KindSource): CheckedKind[] {
  const { apiGroups = [], apiVersions = [], resources = [] } = rule;
  if ([...apiGroups, ...apiVersions].some((one) => one.includes('*'))) return [];
  const plain = resources.filter((one) => !/[*/]/.test(one)).sort();
  const found = [...apiGroups].sort().flatMap((group) => [...apiVersions].sort().flatMap((version) => plain.flatMap((resource) => source.byResource(group, version, resource) ?? [])));
  return found.slice(0, maxKinds);
}

function checkedKinds({ spec }: ValidatingAdmissionPolicy, source: KindSource): CheckedKind[] {
  const kinds = new Map((spec?.matchConstraints?.resourceRules ?? []).flatMap((rule) => kindsOf(rule, source)).map((kind) => [identity(kind), kind] as const));
  return [...kinds.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind).filter(({ type }) => type);
}

function paramsType({ spec }: ValidatingAdmissionPolicy, source: KindSource): CelType | undefined {
  const { apiVersion = '', kind = '' } = spec?.paramKind ?? {};
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return kind ? source.byKind(group, version, kind)?.type : undefined;
}

function scopeFor(policy: ValidatingAdmissionPolicy, objectType: CelType, params: CelType | undefined): ExpressionScope {
  const base: ExpressionScope = { hasParams: params !== undefined, hasPatchTypes: false, objectType, ...(params ? { paramsType: params } : {}) };
  const variables: Record<string, CelType> = {};
  for (const { name, expression } of policy.spec?.variables ?? []) variables[name] = compileExpression('variable', expression, { ...base, variables: { ...variables } }).program?.resultType ?? dynType;
  return { ...base, variables };
}

/**
 * What type checking against the schemas of the kinds that a policy names has to say about its expressions, as upstream's
 * controller writes it into the status. It never changes what the policy does.
 */
export function expressionWarnings(policy: ValidatingAdmissionPolicy, source: KindSource): ExpressionWarning[] {
  const params = paramsType(policy, source);
  const scopes = checkedKinds(policy, source).map((kind) => ({ kind, scope: scopeFor(policy, kind.type as CelType, params) }));
  const warnings: ExpressionWarning[] = [];
  const check = (expression: string, fieldRef: string): void => {
    const texts = scopes.flatMap(({ kind, scope }) => {
      const problem = checkTypes('validation', expression, scope);
      return problem === undefined ? [] : [`${kind.group}/${kind.version}, Kind=${kind.kind}: ${problem}\n`];
    });
    if (texts.length) warnings.push({ fieldRef, warning: texts.join('\n') });
  };
  for (const [i, { expression = '', messageExpression }] of (policy.spec?.validations ?? []).entries()) {
    check(expression, `spec.validations[${i}].expression`);
    if (messageExpression) check(messageExpression, `spec.validations[${i}].messageExpression`);
  }
  return warnings;
}
