import { type ResolvingAuthorizer, noRules } from './rule-resolver.ts';

export const alwaysAllowAuthorizer: ResolvingAuthorizer = {
  name: 'AlwaysAllow',
  authorize: () => ({ decision: 'allow', reason: '' }),
  rulesFor: () => ({ ...noRules, resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] }),
};

export const alwaysDenyAuthorizer: ResolvingAuthorizer = {
  name: 'AlwaysDeny',
  authorize: () => ({ decision: 'noOpinion', reason: 'Everything is forbidden.' }),
  rulesFor: () => noRules,
};
