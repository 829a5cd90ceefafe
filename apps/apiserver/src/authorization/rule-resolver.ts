import type { NonResourceRule, ResourceRule } from '@orrery/api/types';
import type { Authorizer, PluginContext, UserInfo } from '../pipeline/index.ts';

/** What a user may do in a namespace, as far as an authorizer can list it. */
export interface UserRules {
  readonly resourceRules: readonly ResourceRule[];
  readonly nonResourceRules: readonly NonResourceRule[];
  /** There may be more than is listed. */
  readonly incomplete: boolean;
  readonly errors: readonly string[];
}

/** An authorizer that can also be asked for a list (SelfSubjectRulesReview). */
export interface ResolvingAuthorizer extends Authorizer {
  rulesFor(user: UserInfo, namespace: string): UserRules;
}

export const noRules: UserRules = { resourceRules: [], nonResourceRules: [], incomplete: false, errors: [] };

/** For authorizers that cannot tell. */
export const unknownRules = (error: string): UserRules => ({ ...noRules, incomplete: true, errors: [error] });

/** The lists of all authorizers, in order. */
export function joinRules(authorizers: readonly ResolvingAuthorizer[], user: UserInfo, namespace: string): UserRules {
  const all = authorizers.map((authorizer) => authorizer.rulesFor(user, namespace));
  return {
    resourceRules: all.flatMap((rules) => rules.resourceRules),
    nonResourceRules: all.flatMap((rules) => rules.nonResourceRules),
    incomplete: all.some((rules) => rules.incomplete),
    errors: all.flatMap((rules) => rules.errors),
  };
}

const resolvers = new WeakMap<PluginContext, ResolvingAuthorizer['rulesFor']>();

/** Tells who answers for an API server. */
export function setRuleResolver(context: PluginContext, resolve: ResolvingAuthorizer['rulesFor']): void {
  resolvers.set(context, resolve);
}

/** Without authorizers everything is allowed, and nothing can be listed. */
export function resolveRules(context: PluginContext, user: UserInfo, namespace: string): UserRules {
  return resolvers.get(context)?.(user, namespace) ?? noRules;
}
