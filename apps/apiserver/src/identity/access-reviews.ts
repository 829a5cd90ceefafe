import type { FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes, SelfSubjectRulesReview, SubjectAccessReview, SubjectAccessReviewStatus } from '@orrery/api/types';
import { badRequest, fieldError, invalid } from '@orrery/errors';
import { nodeOf } from '../authorization/node.ts';
import type { RbacIndex } from '../authorization/rbac-index.ts';
import type { Authorizer, RequestInfo, ReviewHandler, ReviewRequest, UserInfo } from '../pipeline/index.ts';

const group = 'authorization.k8s.io';

interface Question {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
}

function infoOf({ resourceAttributes: r, nonResourceAttributes: n }: Question): RequestInfo {
  const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  if (!r) return { ...none, isResource: false, path: n?.path ?? '', verb: n?.verb ?? '' };
  const { verb = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = r;
  return { isResource: true, path: '', verb, group: r.group ?? '', version: version || '*', resource, subresource, namespace, name };
}

function selectorText(selector: FieldSelectorAttributes | LabelSelectorAttributes | undefined): string | undefined {
  if (!selector) return undefined;
  if (selector.rawSelector) return selector.rawSelector;
  const terms = (selector.requirements ?? []).map(({ key, operator, values = [] }) => {
    if (operator === 'In') return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
    if (operator === 'NotIn') return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
    return operator === 'Exists' ? key : `!${key}`;
  });
  return terms.join(',');
}

async function decide(authorize: Authorizer['authorize'], user: UserInfo, question: Question): Promise<SubjectAccessReviewStatus> {
  const fieldSelector = selectorText(question.resourceAttributes?.fieldSelector);
  const labelSelector = selectorText(question.resourceAttributes?.labelSelector);
  const { decision, reason } = await authorize({ user, info: infoOf(question), ...(fieldSelector ? { fieldSelector } : {}), ...(labelSelector ? { labelSelector } : {}) });
  return { allowed: decision === 'allow', ...(decision === 'deny' ? { denied: true } : {}), ...(reason ? { reason } : {}) };
}

function checkQuestion(kind: string, spec: Question & { user?: string; groups?: string[] }, options: { needsUser: boolean }): void {
  const errors = [];
  if (spec.resourceAttributes && spec.nonResourceAttributes) errors.push(fieldError.invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'cannot be specified in combination with resourceAttributes'));
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    errors.push(fieldError.invalid('spec.resourceAttributes', spec.nonResourceAttributes, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'));
  }
  if (options.needsUser && !spec.user && !spec.groups?.length) errors.push(fieldError.invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'));
  if (errors.length) throw invalid({ group, kind, name: '' }, errors);
}

function namedUser(spec: NonNullable<SubjectAccessReview['spec']>): UserInfo {
  const { user: username = '', uid, groups = [], extra } = spec;
  return { username, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}

/** What a user may do in a namespace, as far as it can be listed. */
function rulesReview(index: RbacIndex, request: ReviewRequest): object {
  const review = request.object as SelfSubjectRulesReview;
  const namespace = review.spec?.namespace;
  if (!namespace) throw badRequest('no namespace on request');
  const { all, missing } = index.grantsOf(request.user, namespace);
  const resourceRules = all.flatMap(({ rule }) =>
    rule.resources?.length ? [{ verbs: rule.verbs, apiGroups: rule.apiGroups, resources: rule.resources, ...(rule.resourceNames ? { resourceNames: rule.resourceNames } : {}) }] : [],
  );
  const nonResourceRules = all.flatMap(({ rule }) => (rule.nonResourceURLs?.length ? [{ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs }] : []));
  const isNode = nodeOf(request.user) !== undefined;
  const evaluationError = [...missing, ...(isNode ? ['node authorizer does not support user rule resolution'] : [])].join(', ');
  return { ...review, status: { resourceRules, nonResourceRules, incomplete: isNode || missing.length > 0, ...(evaluationError ? { evaluationError } : {}) } };
}

/** The four reviews of the authorization API. */
export function accessReviews(authorize: Authorizer['authorize'], index: RbacIndex): ReviewHandler[] {
  const review = (resource: string, create: ReviewHandler['create']): ReviewHandler => ({ group, resource, subresource: '', create });
  return [
    review('subjectaccessreviews', async ({ object }) => {
      const { spec = {} } = object as SubjectAccessReview;
      checkQuestion('SubjectAccessReview', spec, { needsUser: true });
      return { ...object, status: await decide(authorize, namedUser(spec), spec) };
    }),
    review('localsubjectaccessreviews', async ({ object, namespace }) => {
      const { spec = {} } = object as SubjectAccessReview;
      checkQuestion('LocalSubjectAccessReview', spec, { needsUser: true });
      if (spec.resourceAttributes?.namespace !== namespace) throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
      return { ...object, status: await decide(authorize, namedUser(spec), spec) };
    }),
    review('selfsubjectaccessreviews', async ({ object, user }) => {
      const { spec = {} } = object as SubjectAccessReview;
      checkQuestion('SelfSubjectAccessReview', spec, { needsUser: false });
      return { ...object, status: await decide(authorize, user, spec) };
    }),
    review('selfsubjectrulesreviews', (request) => rulesReview(index, request)),
  ];
}
