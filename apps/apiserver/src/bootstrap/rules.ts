import type { PolicyRule } from '@orrery/api/types';

/** A cluster role as a table row. */
export interface RoleRow {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly labels?: Readonly<Record<string, string>>;
  /** The label whose carriers are aggregated into the role. */
  readonly aggregates?: string;
  /** Made, with its bindings, only where this resource (`RESOURCE.GROUP`) is served. */
  readonly withResource?: string;
}

export const read = 'get list watch';
export const readUpdate = 'get list patch update watch';
export const write = 'create delete deletecollection patch update';
export const readWrite = 'create delete deletecollection get list patch update watch';

const words = (text: string): string[] => text.split(' ');

/** `rule('list watch', 'apps extensions', 'deployments')`; the core group is written `core`. */
export function rule(verbs: string, groups: string, resources: string): PolicyRule {
  return { verbs: words(verbs), apiGroups: words(groups).map((group) => (group === 'core' ? '' : group)), resources: words(resources) };
}

/** A rule for objects of these names only. */
export function named(names: string, of: PolicyRule): PolicyRule {
  return { ...of, resourceNames: words(names) };
}

export const urls = (paths: string): PolicyRule => ({ verbs: ['get'], nonResourceURLs: words(paths) });

export const events = rule('create patch update', 'core events.k8s.io', 'events');
