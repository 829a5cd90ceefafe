import { type KindDescriptor } from '@orrery/api';
import { type KubeObject, type ObjectMeta, formatApiVersion } from '@orrery/apimachinery';
import { badRequest } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import type { Registry, RequestScope } from './registry.ts';

/** metav1.ObjectMeta that is never absent. */
export type Draft = KubeObject & { metadata: ObjectMeta & { managedFields?: unknown; selfLink?: string } };

/** Makes a decoded object safe to work on: metadata is there, kind and apiVersion are those of the resource. */
export function asDraft(kind: KindDescriptor, object: KubeObject): Draft {
  object.kind = kind.kind;
  object.apiVersion = formatApiVersion(kind.group, kind.version);
  object.metadata ??= {};
  return object as Draft;
}

/** The namespace in the URL holds; an object may leave it out but not name another. */
export function matchNamespace(scope: RequestScope, draft: Draft): void {
  const { namespace } = scope.info;
  if (!scope.kind.namespaced) {
    delete draft.metadata.namespace;
    return;
  }
  if (!draft.metadata.namespace) draft.metadata.namespace = namespace;
  else if (draft.metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

const generatedLength = 5;
const maxBaseLength = 63 - generatedLength;

/** What the server alone sets on a new object. */
export function fillSystemFields(registry: Registry, draft: Draft): void {
  const { metadata } = draft;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.resourceVersion;
  metadata.creationTimestamp = rfc3339(registry.env.clock.now());
  metadata.uid = registry.env.random.uuid();
}

export function generateName(registry: Registry, base: string): string {
  return base.slice(0, maxBaseLength) + registry.env.random.name(generatedLength);
}

/** What an update can never change. */
export function keepSystemFields(draft: Draft, old: KubeObject): void {
  const before = old.metadata ?? {};
  const { metadata } = draft;
  metadata.uid ||= before.uid ?? '';
  if (before.creationTimestamp !== undefined) metadata.creationTimestamp = before.creationTimestamp;
  if (before.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.deletionTimestamp;
  metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds as number;
  if (metadata.deletionGracePeriodSeconds === undefined) delete metadata.deletionGracePeriodSeconds;
  if (before.generation === undefined) delete metadata.generation;
  else metadata.generation = before.generation;
  delete metadata.selfLink;
}
