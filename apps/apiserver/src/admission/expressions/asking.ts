import { type AuthorizerCallback, type AuthorizerDecision, type AuthorizerQuery, type RequestResource, authorizerValue } from '@orrery/cel';
import type { AdmissionAttributes, AuthorizationAttributes, Authorizer, Decision, UserInfo } from '../../pipeline/index.ts';
import { resourceInfo } from '../../pipeline/resource-info.ts';

type Answer = AuthorizerDecision | Promise<AuthorizerDecision>;

function userOf(query: AuthorizerQuery, requester: UserInfo): UserInfo {
  if (!query.serviceAccount) return requester;
  const { namespace, name } = query.serviceAccount;
  return { username: `system:serviceaccount:${namespace}:${name}`, groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'] };
}

function attributesOf(query: AuthorizerQuery, requester: UserInfo): AuthorizationAttributes {
  const user = userOf(query, requester);
  const { verb, path, group, resource, subresource, namespace, name, fieldSelector, labelSelector } = query;
  if (path !== undefined) return { user, info: { isResource: false, path, verb, group: '', version: '', resource: '', subresource: '', namespace: '', name: '' } };
  const info = resourceInfo({ group, version: '*', resource, verb, namespace, name, subresource }, true);
  return { user, info, ...(fieldSelector ? { fieldSelector } : {}), ...(labelSelector ? { labelSelector } : {}) };
}

const decided = ({ decision, reason }: Decision): AuthorizerDecision => ({ decision, reason });
const failed = (error: unknown): AuthorizerDecision => ({ decision: 'noOpinion', reason: '', error: error instanceof Error ? error.message : String(error) });

/**
 * `authorizer` of the expressions about one write. Every question is asked once. Evaluation is synchronous: one that
 * needs an answer that comes later is done again with the answer (expressions have no effects).
 */
export class Asking {
  private readonly answers = new Map<string, Answer>();
  private readonly pending = new Set<Promise<AuthorizerDecision>>();
  private readonly authorize: Authorizer['authorize'];
  private readonly user: UserInfo;

  constructor(authorize: Authorizer['authorize'], user: UserInfo) {
    this.authorize = authorize;
    this.user = user;
  }

  /** The value of `authorizer`, whose `requestResource` is what the write is about. */
  value(requestResource: RequestResource): unknown {
    return authorizerValue((query) => this.answer(query), requestResource);
  }

  /** Runs `evaluate` until it needs no answer that is not there yet. */
  async settle<T>(evaluate: () => T): Promise<T> {
    for (;;) {
      const result = evaluate();
      if (!this.pending.size) return result;
      await Promise.all(this.pending);
    }
  }

  private answer: AuthorizerCallback = (query) => {
    const key = JSON.stringify(query);
    let found = this.answers.get(key);
    if (found === undefined) this.answers.set(key, (found = this.ask(query, key)));
    return found;
  };

  private ask(query: AuthorizerQuery, key: string): Answer {
    try {
      const answer = this.authorize(attributesOf(query, this.user));
      if (!(answer instanceof Promise)) return decided(answer);
      const later = answer.then(decided, failed);
      this.pending.add(later);
      void later.then((decision) => {
        this.pending.delete(later);
        this.answers.set(key, decision);
      });
      return later;
    } catch (error) {
      return failed(error);
    }
  }
}

/** What `authorizer.requestResource` asks about. */
export function requestResourceOf({ kind, subresource, namespace, name }: AdmissionAttributes): RequestResource {
  return { group: kind.group, resource: kind.resource, subresource, namespace, name };
}
