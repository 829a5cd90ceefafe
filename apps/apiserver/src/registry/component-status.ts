import { notFound } from '@orrery/errors';
import { Entry } from '../cache/entry.ts';
import type { ListResult } from './list.ts';
import { type Registry, type RequestScope, subjectOf } from './registry.ts';

/** ComponentStatus is computed, long deprecated, and knows here of the store alone: the other components report by Leases. */
function statuses(registry: Registry): Entry[] {
  const { healthy, revision } = registry.feed;
  const condition = { type: 'Healthy', status: healthy ? 'True' : 'False', message: healthy ? 'ok' : 'the store cannot be watched' };
  const object = { kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name: 'etcd-0' }, conditions: [condition] };
  return [new Entry('etcd-0', revision, { encoded: Buffer.from(JSON.stringify(object)) })];
}

const deprecation = 'v1 ComponentStatus is deprecated in v1.19+';

export function listComponentStatuses(registry: Registry, scope: RequestScope): ListResult {
  scope.warn(deprecation);
  return { entries: statuses(registry), resourceVersion: registry.feed.revision };
}

export function getComponentStatus(registry: Registry, scope: RequestScope): Entry {
  scope.warn(deprecation);
  const found = statuses(registry).find((entry) => entry.key === scope.info.name);
  if (!found) throw notFound(subjectOf(scope));
  return found;
}
