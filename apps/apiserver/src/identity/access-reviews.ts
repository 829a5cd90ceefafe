import type { NonResourceAttributes, ResourceAttributes, SelfSubjectRulesReview, SubjectAccessReview, SubjectAccessReviewStatus } from '@orrery/api/types';
import { badRequest } from '@orrery/errors';
import { resolveRules } from '../authorization/rule-resolver.ts';
import type { Authorizer, PluginContext, RequestInfo, ReviewHandler, ReviewRequest, UserInfo } from '../pipeline/index.ts';
import { reviewSelectors } from './review-selectors.ts';

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

async function decide(authorize: Authorizer['authorize'], user: UserInfo, question: Question): Promise<SubjectAccessReviewStatus> {
  const { problems, ...selectors } = reviewSelectors(question.resourceAttributes);
  const { decision, reason } = await authorize({ user, info: infoOf(question), ...selectors });
  return {
    allowed: decision === 'allow',
    ...(decision === 'deny' ? { denied: true } : {}),
    ...(reason ? { reason } : {}),
    ...(problems.length ? { evaluationError: problems.join('; ') } : {}),
  };
}

function namedUser(spec: NonNullable<SubjectAccessReview['spec']>): UserInfo {
  const { user: username = '', uid, groups = [], extra } = spec;
  return { username, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}

/** What a user may do in a namespace, as far as it can be listed. */
function rulesReview(context: PluginContext, request: ReviewRequest): object {
  const review = request.object as SelfSubjectRulesReview;
  const namespace = review.spec?.namespace;
  if (!namespace) throw badRequest('no namespace on request');
  const { resourceRules, nonResourceRules, incomplete, errors } = resolveRules(context, request.user, namespace);
  const evaluationError = errors.length > 1 ? `[${errors.join(', ')}]` : errors[0];
  return { ...review, status: { resourceRules, nonResourceRules, incomplete, ...(evaluationError ? { evaluationError } : {}) } };
}

/** The four reviews of the authorization API; their kinds have validated them. */
export function accessReviews(context: PluginContext): ReviewHandler[] {
  const review = (resource: string, create: ReviewHandler['create']): ReviewHandler => ({ group, resource, subresource: '', create });
  const aboutSomeone: ReviewHandler['create'] = async ({ object }) => {
    const { spec = {} } = object as SubjectAccessReview;
    return { ...object, status: await decide(context.authorize, namedUser(spec), spec) };
  };
  return [
    review('subjectaccessreviews', aboutSomeone),
    review('localsubjectaccessreviews', aboutSomeone),
    review('selfsubjectaccessreviews', async ({ object, user }) => {
      const { spec = {} } = object as SubjectAccessReview;
      return { ...object, status: await decide(context.authorize, user, spec) };
    }),
    review('selfsubjectrulesreviews', (request) => rulesReview(context, request)),
  ];
}
