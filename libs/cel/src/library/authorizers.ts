import { checkName } from '@orrery/apimachinery';
import type { AuthorizerCallback, AuthorizerDecision, AuthorizerQuery, RequestResource } from '../authorizer.ts';
import { CelError, CelOpaque } from '../values.ts';
import { library } from './signature.ts';

const base = 'kubernetes.authorization.';
const [authorizerName, pathName, groupName, resourceName, decisionName] = ['Authorizer', 'PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'].map((name) => base + name) as [string, string, string, string, string];

/** Answers given so far, by question: one is asked only once. */
type Ask = (query: AuthorizerQuery) => AuthorizerDecision;

/** The expression goes on when the promise is done; it is evaluated again from its start. */
export class PendingAnswer extends Error {
  readonly answer: Promise<unknown>;
  constructor(answer: Promise<unknown>) {
    super('the authorizer has not answered yet');
    this.answer = answer;
  }
}

function remembering(authorize: AuthorizerCallback): Ask {
  const known = new Map<string, AuthorizerDecision | Promise<unknown>>();
  return (query) => {
    const key = JSON.stringify(query);
    let found = known.get(key);
    if (found === undefined) {
      const answer = authorize(query);
      found = answer instanceof Promise ? answer.then((decision) => known.set(key, decision)) : answer;
      known.set(key, found);
    }
    if (found instanceof Promise) throw new PendingAnswer(found);
    return found;
  };
}

type Who = Pick<AuthorizerQuery, 'serviceAccount'>;

interface Checker {
  readonly ask: Ask;
  readonly who: Who;
  readonly requestResource?: CelOpaque;
}

interface Check {
  readonly ask: Ask;
  readonly query: Omit<AuthorizerQuery, 'verb'>;
}

const nothing = { group: '', resource: '', subresource: '', namespace: '', name: '' };
const wrap = (typeName: string, value: Checker | Check | AuthorizerDecision): CelOpaque => new CelOpaque({ typeName, value });
const checkOf = ({ value }: CelOpaque): Check => value as Check;
const refined = (check: CelOpaque, part: Partial<AuthorizerQuery>): CelOpaque => wrap(check.typeName, { ...checkOf(check), query: { ...checkOf(check).query, ...part } });

/** The value of a variable of `authorizerType`; its `requestResource` is that of the request, when there is one. */
export function authorizerValue(authorize: AuthorizerCallback, requestResource?: RequestResource): CelOpaque {
  const ask = remembering(authorize);
  const request = requestResource && wrap(resourceName, { ask, query: requestResource });
  return wrap(authorizerName, { ask, who: {}, ...(request ? { requestResource: request } : {}) });
}

/** What `authorizer.requestResource` is, of a value that `authorizerValue` made. */
export const requestResourceOf = ({ value }: CelOpaque): CelOpaque | undefined => (value as Checker).requestResource;

function start(authorizer: CelOpaque, typeName: string, part: Partial<AuthorizerQuery>): CelOpaque {
  const { ask, who } = authorizer.value as Checker;
  return wrap(typeName, { ask, query: { ...nothing, ...who, ...part } });
}

function path(authorizer: CelOpaque, text: string): CelOpaque {
  if (text.trim() === '') throw new CelError('path must not be empty');
  return start(authorizer, pathName, { path: text });
}

function resource(group: CelOpaque, name: string): CelOpaque {
  if (name.trim() === '') throw new CelError('resource must not be empty');
  return wrap(resourceName, { ask: checkOf(group).ask, query: { ...checkOf(group).query, resource: name } });
}

function serviceAccount(authorizer: CelOpaque, namespace: string, name: string): CelOpaque {
  if (checkName('dns1123Subdomain', name).length) throw new CelError('Invalid service account name');
  if (checkName('dns1123Label', namespace).length) throw new CelError('Invalid service account namespace');
  return wrap(authorizerName, { ...(authorizer.value as Checker), who: { serviceAccount: { namespace, name } } });
}

const check = (one: CelOpaque, verb: string): CelOpaque => wrap(decisionName, checkOf(one).ask({ ...checkOf(one).query, verb }));
const decision = ({ value }: CelOpaque): AuthorizerDecision => value as AuthorizerDecision;

/** Kubernetes' authz library and its selectors. */
export const authorizersLibrary = library({
  path: [[`${authorizerName}.(string) ${pathName}`, path]],
  group: [[`${authorizerName}.(string) ${groupName}`, (authorizer: CelOpaque, group: string) => start(authorizer, groupName, { group })]],
  serviceAccount: [[`${authorizerName}.(string, string) ${authorizerName}`, serviceAccount]],
  resource: [[`${groupName}.(string) ${resourceName}`, resource]],
  subresource: [[`${resourceName}.(string) ${resourceName}`, (one: CelOpaque, subresource: string) => refined(one, { subresource })]],
  namespace: [[`${resourceName}.(string) ${resourceName}`, (one: CelOpaque, namespace: string) => refined(one, { namespace })]],
  name: [[`${resourceName}.(string) ${resourceName}`, (one: CelOpaque, name: string) => refined(one, { name })]],
  fieldSelector: [[`${resourceName}.(string) ${resourceName}`, (one: CelOpaque, fieldSelector: string) => refined(one, { fieldSelector })]],
  labelSelector: [[`${resourceName}.(string) ${resourceName}`, (one: CelOpaque, labelSelector: string) => refined(one, { labelSelector })]],
  check: [
    [`${pathName}.(string) ${decisionName}`, check],
    [`${resourceName}.(string) ${decisionName}`, check],
  ],
  allowed: [[`${decisionName}.() bool`, (one: CelOpaque) => decision(one).decision === 'allow']],
  reason: [[`${decisionName}.() string`, (one: CelOpaque) => decision(one).reason]],
  errored: [[`${decisionName}.() bool`, (one: CelOpaque) => decision(one).error !== undefined]],
  error: [[`${decisionName}.() string`, (one: CelOpaque) => decision(one).error ?? '']],
});

export const jsonPatchLibrary = library({
  'jsonpatch.escapeKey': [['(string) string', (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')]],
});
