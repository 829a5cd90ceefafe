import type { Node, Pod } from '@orrery/api/types';
import type { Informer } from '@orrery/client';
import type { PodInfo } from './cache/pod-info.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { type ClusterEvent, eventName, podKey } from './framework/types.ts';
import type { WaitingPods } from './framework/waiting-pods.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

export interface ClusterWatch {
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly waitingPods: WaitingPods;
  /** Pods of this scheduler's profiles. */
  readonly isOurs: (pod: Pod) => boolean;
  readonly toInfo: (pod: Pod, known?: PodInfo) => PodInfo;
  /** Something of this kind has happened and was dealt with since `beganMs`. */
  readonly handled: (event: string, beganMs: number) => void;
  /** Milliseconds, for `handled`. */
  readonly now: () => number;
}

/** What scheduling looks at in a node; heartbeats change none of it. */
function schedulingFacts(node: Node): string {
  const { spec, status, metadata } = node;
  return JSON.stringify([metadata?.labels, spec?.taints, spec?.unschedulable, status?.allocatable]);
}

/** Whether anything scheduling looks at may differ in a pod; labels, the beginning of deletion and the claims made for it need not raise the generation. */
function changed({ metadata: old, status: oldStatus }: Pod, { metadata, status }: Pod): boolean {
  const [claims, oldClaims] = [status?.resourceClaimStatuses, oldStatus?.resourceClaimStatuses];
  return (
    metadata?.generation !== old?.generation ||
    metadata?.deletionTimestamp !== old?.deletionTimestamp ||
    (metadata?.labels !== old?.labels && JSON.stringify(metadata?.labels) !== JSON.stringify(old?.labels)) ||
    (claims !== oldClaims && JSON.stringify(claims) !== JSON.stringify(oldClaims))
  );
}

function watchPods({ pods, cache, queue, waitingPods, isOurs, toInfo, handled, now }: ClusterWatch): void {
  const uid = (pod: Pod): string => pod.metadata?.uid ?? '';
  const isAssigned = (pod: Pod): boolean => Boolean(pod.spec?.nodeName);
  const waits = (pod: Pod): boolean => !isAssigned(pod) && !pod.metadata?.deletionTimestamp && isOurs(pod);
  const { nominated } = cache;
  const noteNomination = (pod: Pod, old: Pod | undefined): void => {
    const nodeName = pod.status?.nominatedNodeName ?? '';
    if (nodeName === (old?.status?.nominatedNodeName ?? '')) return;
    if (nodeName) nominated.set(toInfo(pod), nodeName);
    else nominated.delete(uid(pod));
  };
  /** Whoever kept away for a nominated pod may come. */
  const dropNomination = (pod: Pod): void => {
    if (nominated.delete(uid(pod))) queue.onEvent({ resource: 'AssignedPod', action: 'Delete', object: pod });
  };
  const seenAssigned = (pod: Pod, old: Pod | undefined): void => {
    const wasAssigned = old !== undefined && isAssigned(old);
    if (!wasAssigned) queue.remove(podKey(pod));
    if (wasAssigned && !changed(old, pod) && cache.refresh(uid(pod), pod)) return;
    cache.setPod(toInfo(pod, cache.placed(uid(pod))), pod.spec?.nodeName ?? '');
    if (nominated.of(uid(pod)) === pod.spec?.nodeName) nominated.delete(uid(pod));
    else dropNomination(pod);
    queue.onEvent({ resource: 'AssignedPod', action: wasAssigned ? 'Update' : 'Add', old, object: pod });
  };
  const added = (pod: Pod): void => {
    if (isAssigned(pod)) seenAssigned(pod, undefined);
    else if (waits(pod)) {
      noteNomination(pod, undefined);
      queue.add(toInfo(pod));
      queue.onEvent({ resource: 'Pod', action: 'Add', object: pod });
    }
  };
  const deleted = (pod: Pod): void => {
    waitingPods.get(uid(pod))?.reject('', 'removed');
    if (!isAssigned(pod)) queue.onEvent({ resource: 'Pod', action: 'Delete', object: pod });
    queue.remove(podKey(pod));
    dropNomination(pod);
    if (!cache.isPlaced(uid(pod))) return;
    cache.removePod(uid(pod));
    queue.onEvent({ resource: 'AssignedPod', action: 'Delete', object: pod });
  };
  const updated = (pod: Pod, old: Pod): void => {
    // A list after a gap in the watch tells of another pod of the same name so.
    if (uid(pod) !== uid(old)) {
      deleted(old);
      added(pod);
      return;
    }
    if (isAssigned(pod)) {
      seenAssigned(pod, old);
      return;
    }
    if (!waits(pod)) {
      waitingPods.get(uid(pod))?.reject('', 'removed');
      queue.remove(podKey(pod));
      dropNomination(pod);
      return;
    }
    noteNomination(pod, old);
    if (changed(old, pod)) {
      queue.update(toInfo(old), toInfo(pod));
      queue.onEvent({ resource: 'Pod', action: 'Update', old, object: pod });
    }
  };
  const name = (pod: Pod, action: ClusterEvent['action']): string => eventName({ resource: isAssigned(pod) ? 'AssignedPod' : 'Pod', action });
  pods.addHandlers({
    add(pod) {
      const began = now();
      added(pod);
      handled(name(pod, 'Add'), began);
    },
    delete(pod) {
      const began = now();
      deleted(pod);
      handled(name(pod, 'Delete'), began);
    },
    update(pod, old) {
      const began = now();
      updated(pod, old);
      handled(name(pod, isAssigned(pod) && !isAssigned(old) ? 'Add' : 'Update'), began);
    },
  });
}

/** Keeps cache and queue in step with the API server. */
export function watchCluster(watch: ClusterWatch): void {
  const { nodes, cache, queue, handled, now } = watch;
  nodes.addHandlers({
    add(node) {
      const began = now();
      cache.setNode(node);
      queue.onEvent({ resource: 'Node', action: 'Add', object: node });
      handled('NodeAdd', began);
    },
    update(node, old) {
      const began = now();
      cache.setNode(node);
      if (schedulingFacts(node) !== schedulingFacts(old)) queue.onEvent({ resource: 'Node', action: 'Update', old, object: node });
      handled('NodeUpdate', began);
    },
    delete(node) {
      const began = now();
      cache.removeNode(node.metadata?.name ?? '');
      queue.onEvent({ resource: 'Node', action: 'Delete', object: node });
      handled('NodeDelete', began);
    },
  });
  watchPods(watch);
}
