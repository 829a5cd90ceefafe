import type { Decision } from '../pipeline/index.ts';
import { type ResourceQuestion, ruleAllowsPath, ruleAllowsResource } from './policy-rule.ts';
import type { GrantedRule, Grants, RbacIndex } from './rbac-index.ts';
import type { ResolvingAuthorizer } from './rule-resolver.ts';

function allowingRule(grants: Grants, question: ResourceQuestion): GrantedRule | undefined {
  const key = question.subresource ? `${question.group}/${question.resource}/${question.subresource}` : `${question.group}/${question.resource}`;
  const allows = ({ rule }: GrantedRule): boolean => ruleAllowsResource(rule, question);
  return grants.exact.get(key)?.find(allows) ?? grants.wild.find(allows);
}

/** Role-based access control over the index of roles and bindings. */
export function rbacAuthorizer(index: RbacIndex): ResolvingAuthorizer {
  return {
    name: 'RBAC',
    rulesFor(user, namespace) {
      const { all, missing } = index.grantsOf(user, namespace);
      return {
        resourceRules: all.flatMap(({ rule: { verbs, apiGroups = [], resources, resourceNames } }) => (resources?.length ? [{ verbs, apiGroups, resources, ...(resourceNames?.length ? { resourceNames } : {}) }] : [])),
        nonResourceRules: all.flatMap(({ rule: { verbs, nonResourceURLs } }) => (nonResourceURLs?.length ? [{ verbs, nonResourceURLs }] : [])),
        incomplete: false,
        errors: missing.length > 1 ? [`[${missing.join(', ')}]`] : missing,
      };
    },
    authorize({ user, info }): Decision {
      const grants = index.grantsOf(user, info.isResource ? info.namespace : '');
      const granted = info.isResource ? allowingRule(grants, info) : grants.paths.find(({ rule }) => ruleAllowsPath(rule, info));
      if (granted) return { decision: 'allow', reason: `RBAC: allowed by ${granted.origin}` };
      const { missing } = grants;
      if (!missing.length) return { decision: 'noOpinion', reason: '' };
      return { decision: 'noOpinion', reason: `RBAC: ${missing.length === 1 ? missing[0] : `[${missing.join(', ')}]`}` };
    },
  };
}
