import { ControllerRevisions } from '@orrery/api';
import type { ControllerRevision, LabelSelector, PodTemplateSpec } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { labelSelectorMatcher } from '@orrery/client';
import { type ControllerContext, claimDependents, newControllerRef } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { canonicalJson, templateHash } from '../pods/template-hash.ts';

export const revisionHashLabel = 'controller-revision-hash';

/** The part of a workload that a revision remembers, as a patch that replaces the template. */
export interface RevisionData {
  readonly spec: { readonly template: PodTemplateSpec & { readonly $patch: 'replace' } };
}

export function revisionData(template: PodTemplateSpec): RevisionData {
  return { spec: { template: { ...template, $patch: 'replace' } } };
}

/** Undefined for a revision that holds something else: anybody may write one. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as Partial<RevisionData> | undefined;
  if (!data?.spec?.template) return undefined;
  const { $patch: _patch, ...template } = data.spec.template;
  return template;
}

const sameData = (revision: ControllerRevision, data: RevisionData): boolean => canonicalJson(revision.data) === canonicalJson(data);

export const byRevision = (a: ControllerRevision, b: ControllerRevision): number => (a.revision ?? 0) - (b.revision ?? 0) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);

export type RevisionStep =
  | { readonly type: 'use'; readonly revision: ControllerRevision }
  /** An earlier revision is current again: it gets the highest number. */
  | { readonly type: 'renumber'; readonly revision: ControllerRevision; readonly to: number }
  | { readonly type: 'create'; readonly number: number };

/** How the present template is found among the revisions. */
export function planRevision(template: PodTemplateSpec, history: readonly ControllerRevision[]): RevisionStep {
  const data = revisionData(template);
  const sorted = [...history].sort(byRevision);
  const newest = sorted.at(-1);
  const equal = sorted.filter((revision) => sameData(revision, data)).at(-1);
  if (!equal) return { type: 'create', number: (newest?.revision ?? 0) + 1 };
  return equal === newest ? { type: 'use', revision: equal } : { type: 'renumber', revision: equal, to: (newest?.revision ?? 0) + 1 };
}

/** Revisions to delete: beyond the limit, the oldest first, none that something still uses. */
export function planHistory(history: readonly ControllerRevision[], options: { limit: number; inUse: (revision: ControllerRevision) => boolean }): ControllerRevision[] {
  // A limit below zero keeps all of it.
  if (options.limit < 0) return [];
  const unused = [...history].sort(byRevision).filter((revision) => !options.inUse(revision));
  return unused.slice(0, Math.max(0, unused.length - options.limit));
}

export interface RevisionOwner {
  readonly resource: ResourceRef;
  readonly owner: KubeObject;
  readonly template: PodTemplateSpec;
  readonly collisionCount: number | undefined;
  /** Labels of the revision besides its hash. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The name of a new revision is taken by another: take another hash next time. */
export class RevisionCollision extends Error {}

/** The revision of the present template, made or renumbered if need be. Throws RevisionCollision when its name is taken. */
export async function syncRevision(context: Pick<ControllerContext, 'api'>, of: RevisionOwner, history: readonly ControllerRevision[]): Promise<ControllerRevision> {
  const step = planRevision(of.template, history);
  if (step.type === 'use') return step.revision;
  if (step.type === 'renumber') return context.api.update(ControllerRevisions, { ...step.revision, revision: step.to });
  const { name = '', namespace = '' } = of.owner.metadata ?? {};
  const hash = templateHash(of.template, of.collisionCount);
  const data = revisionData(of.template);
  const draft = {
    metadata: { name: `${name}-${hash}`, namespace, labels: { ...of.labels, [revisionHashLabel]: hash }, ownerReferences: [newControllerRef(of.resource, of.owner)] },
    data: data as unknown as NonNullable<ControllerRevision['data']>,
    revision: step.number,
  };
  try {
    return await context.api.create(ControllerRevisions, draft);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const taken = await context.api.get(ControllerRevisions, { namespace, name: draft.metadata.name });
    if (taken.metadata?.ownerReferences?.some((ref) => ref.uid === of.owner.metadata?.uid) && sameData(taken, data)) return taken;
    throw new RevisionCollision(`revision ${draft.metadata.name} is taken`);
  }
}

/** The revisions of an owner; those that match its selector and have lost theirs are taken over, as pods are. */
export async function claimRevisions(context: Pick<ControllerContext, 'api' | 'store'>, of: { readonly resource: ResourceRef; readonly owner: KubeObject; readonly selector: LabelSelector | undefined }): Promise<ControllerRevision[]> {
  const { owner, resource, selector } = of;
  const dependents = context.store(ControllerRevisions);
  const claimed = await claimDependents({ api: context.api, ownerResource: resource, owner, dependents, matches: labelSelectorMatcher(selector) });
  return claimed.filter((revision) => !revision.metadata?.deletionTimestamp);
}

export async function deleteRevisions(context: Pick<ControllerContext, 'api'>, revisions: readonly ControllerRevision[]): Promise<void> {
  for (const { metadata = {} } of revisions) {
    await context.api.delete(ControllerRevisions, { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}
