import type { KubeObject, OwnerReference, ResourceRef } from '@orrery/apimachinery';
import { deepEqual } from '@orrery/client';

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/** What the collector knows of an object. */
export interface GraphNode {
  readonly resource: ResourceRef;
  readonly uid: string;
  readonly namespace: string | undefined;
  readonly name: string;
  /** The newest known. */
  resourceVersion: string | undefined;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

export function nodeOf(resource: ResourceRef, object: KubeObject): GraphNode {
  const { uid = '', namespace, name = '', resourceVersion, ownerReferences = [], finalizers = [], deletionTimestamp } = object.metadata ?? {};
  return { resource, uid, namespace, name, resourceVersion, owners: ownerReferences, finalizers, deleting: deletionTimestamp !== undefined };
}

export const waitsForDependents = (node: GraphNode): boolean => node.deleting && node.finalizers.includes(foregroundFinalizer);
export const orphansDependents = (node: GraphNode): boolean => node.deleting && node.finalizers.includes(orphanFinalizer);

function sameList(known: readonly string[], now: readonly string[] = []): boolean {
  return known === now || (known.length === now.length && known.every((one, i) => one === now[i]));
}

const maxAbsent = 10_000;

/** Who owns whom, by UID. Every change answers with the UIDs that must be looked at because of it. */
export class OwnershipGraph {
  private readonly nodes = new Map<string, GraphNode>();
  private readonly dependents = new Map<string, Set<string>>();
  private readonly absent = new Set<string>();

  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid);
  }

  *dependentsOf(uid: string): Iterable<GraphNode> {
    for (const dependent of this.dependents.get(uid) ?? []) {
      const node = this.nodes.get(dependent);
      if (node) yield node;
    }
  }

  hasDependents(uid: string): boolean {
    return (this.dependents.get(uid)?.size ?? 0) > 0;
  }

  /** An object that is known to be gone for good. */
  isAbsent(uid: string): boolean {
    return this.absent.has(uid);
  }

  markAbsent(uid: string): void {
    this.absent.add(uid);
    for (const oldest of this.absent) {
      if (this.absent.size <= maxAbsent) break;
      this.absent.delete(oldest);
    }
  }

  /** Whether that is all there is to a change of an object: then it is noted. Most changes are of what the collector does not look at. */
  isNoNews({ metadata }: KubeObject): boolean {
    const node = this.nodes.get(metadata?.uid ?? '');
    if (!node || node.deleting || metadata?.deletionTimestamp !== undefined) return false;
    if (!sameList(node.finalizers, metadata?.finalizers) || !(node.owners === metadata?.ownerReferences || deepEqual(node.owners, metadata?.ownerReferences ?? []))) return false;
    node.resourceVersion = metadata?.resourceVersion;
    this.absent.delete(node.uid);
    return true;
  }

  /** `now` must be looked at at once; `later` when its owners, unknown so far, have had time to appear. */
  upsert(node: GraphNode): { now: string[]; later: string[] } {
    const old = this.nodes.get(node.uid);
    this.nodes.set(node.uid, node);
    this.absent.delete(node.uid);
    const now: string[] = [];
    const later: string[] = [];
    const sameOwners = old && (old.owners === node.owners || deepEqual(old.owners, node.owners));
    if (!sameOwners) {
      for (const { uid } of old?.owners ?? []) if (!node.owners.some((owner) => owner.uid === uid)) this.unlink(uid, node.uid);
      for (const { uid } of node.owners) this.link(uid, node.uid);
      for (const { uid } of [...(old?.owners ?? []), ...node.owners]) {
        const owner = this.nodes.get(uid);
        if (owner && waitsForDependents(owner)) now.push(uid, node.uid);
        else if (this.absent.has(uid)) now.push(node.uid);
        else if (!owner) later.push(node.uid);
        else if (owner.namespace && owner.namespace !== node.namespace) now.push(node.uid);
      }
    }
    const starts = node.deleting && (!old?.deleting || old.finalizers.length !== node.finalizers.length);
    if (starts && (waitsForDependents(node) || orphansDependents(node))) now.push(node.uid);
    return { now, later };
  }

  remove(uid: string): string[] {
    const node = this.nodes.get(uid);
    if (!node) return [];
    this.nodes.delete(uid);
    this.markAbsent(uid);
    const touched = [...(this.dependents.get(uid) ?? [])];
    for (const owner of node.owners) {
      this.unlink(owner.uid, uid);
      const known = this.nodes.get(owner.uid);
      if (known && waitsForDependents(known)) touched.push(owner.uid);
    }
    return touched;
  }

  private link(owner: string, dependent: string): void {
    let found = this.dependents.get(owner);
    if (!found) this.dependents.set(owner, (found = new Set()));
    found.add(dependent);
  }

  private unlink(owner: string, dependent: string): void {
    const found = this.dependents.get(owner);
    if (found?.delete(dependent) && found.size === 0) this.dependents.delete(owner);
  }
}
