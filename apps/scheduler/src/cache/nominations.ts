import type { PodInfo } from './pod-info.ts';

/** Pods that wait for their victims to go, by the node they will get. They count on it for pods of the same or lower priority. */
export interface Nominations {
  /** Waiting pods nominated to a node. */
  on(nodeName: string): readonly PodInfo[];
  /** The node a waiting pod is nominated to. */
  of(uid: string): string | undefined;
  set(pod: PodInfo, nodeName: string): void;
  /** True when it was nominated. */
  delete(uid: string): boolean;
  /** How many pods are nominated, placed ones included. */
  readonly size: number;
}

const none: readonly PodInfo[] = [];

/** `changed` hears of every node whose nominations do. Pods that `isPlaced` already count where they are: their nominations rest, until a failed binding takes them back. */
export function createNominations(isPlaced: (uid: string) => boolean, changed: (nodeName: string) => void = () => undefined): Nominations {
  const byUid = new Map<string, { pod: PodInfo; nodeName: string }>();
  const byNode = new Map<string, Set<string>>();
  const remove = (uid: string): boolean => {
    const found = byUid.get(uid);
    if (!found) return false;
    byUid.delete(uid);
    const there = byNode.get(found.nodeName);
    there?.delete(uid);
    if (there?.size === 0) byNode.delete(found.nodeName);
    changed(found.nodeName);
    return true;
  };
  return {
    on(nodeName) {
      const uids = byNode.get(nodeName);
      return uids ? [...uids].flatMap((uid) => (isPlaced(uid) ? [] : (byUid.get(uid)?.pod ?? []))) : none;
    },
    of: (uid) => byUid.get(uid)?.nodeName,
    set(pod, nodeName) {
      remove(pod.uid);
      byUid.set(pod.uid, { pod, nodeName });
      const there = byNode.get(nodeName);
      if (there) there.add(pod.uid);
      else byNode.set(nodeName, new Set([pod.uid]));
      changed(nodeName);
    },
    delete: remove,
    get size() {
      return byUid.size;
    },
  };
}
