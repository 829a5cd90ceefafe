import type { Container, Node, Pod, ResourceRequirements } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { type NodeLedger, amountsOf, podRequests } from './pod-resources.ts';
import { mainContainers, sidecars } from './pod-spec.ts';

/** What the node has granted to each container of a pod, and under the empty name to the pod as a whole; differs from the spec while a resize is pending. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>;

/** Why a resize has to wait, or will never be. */
export interface ResizePending {
  readonly reason: 'Deferred' | 'Infeasible';
  readonly message: string;
}

const resizable = ['cpu', 'memory'] as const;
const whole = '';

function sizable(pod: Pod): readonly Container[] {
  const beside = sidecars(pod);
  return beside.length ? [...beside, ...mainContainers(pod)] : mainContainers(pod);
}

/** What the spec asks for. */
export function askedAllocation(pod: Pod): Allocation {
  const granted = new Map(sizable(pod).map(({ name, resources = {} }) => [name, resources]));
  return pod.spec?.resources ? granted.set(whole, pod.spec.resources) : granted;
}

/** What an earlier kubelet had granted, by the pod's status; the spec's where nothing is told. */
export function rememberedAllocation(pod: Pod): Allocation {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  if (!initContainerStatuses.length && !containerStatuses.length) return askedAllocation(pod);
  const statuses = [...initContainerStatuses, ...containerStatuses];
  const granted = new Map(
    sizable(pod).map(({ name, resources = {} }): [string, ResourceRequirements] => {
      const told = statuses.find((status) => status.name === name);
      const { allocatedResources } = told ?? {};
      const limits = told?.resources?.limits;
      return [name, allocatedResources ? { ...resources, requests: allocatedResources, ...(limits ? { limits } : {}) } : resources];
    }),
  );
  const { resources } = pod.spec ?? {};
  if (!resources) return granted;
  const { allocatedResources: requests, resources: told } = pod.status ?? {};
  return granted.set(whole, requests ? { ...resources, requests, ...(told?.limits ? { limits: told.limits } : {}) } : resources);
}

/** The pod as its node runs it: with what it was granted. The very same pod when that is what it asks for. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const ofPod = pod.spec?.resources && allocation.get(whole);
  const isWhole = !ofPod || deepEqual(pod.spec?.resources, ofPod);
  if (isWhole && sizable(pod).every(({ name, resources = {} }) => deepEqual(resources, allocation.get(name) ?? resources))) return pod;
  const granted = (container: Container): Container => {
    const resources = allocation.get(container.name);
    return resources ? { ...container, resources } : container;
  };
  const { containers = [], initContainers: init } = pod.spec ?? {};
  return { ...pod, spec: { ...pod.spec, ...(ofPod ? { resources: ofPod } : {}), containers: containers.map(granted), ...(init ? { initContainers: init.map(granted) } : {}) } };
}

/** Whether the node can give the pod what it asks for now; in the words of upstream's allocation manager. */
export function judgeResize(asked: Pod, granted: Pod, on: { node: Node; ledger: NodeLedger }): ResizePending | undefined {
  const allocatable = amountsOf(on.node.status?.allocatable);
  const wanted = podRequests(asked);
  const held = podRequests(granted);
  for (const name of ['memory', 'cpu']) {
    const [requested, capacity] = [wanted.get(name) ?? 0, allocatable.get(name) ?? 0];
    if (requested > capacity) return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}` };
  }
  for (const name of resizable) {
    const [requested, capacity] = [wanted.get(name) ?? 0, allocatable.get(name) ?? 0];
    const used = on.ledger.used(name) - (held.get(name) ?? 0);
    if (requested > (held.get(name) ?? 0) && used + requested > capacity) return { reason: 'Deferred', message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}` };
  }
  return undefined;
}

/** Whether going from one amount to the other takes a restart, by the container's resize policy. */
export function needsRestart({ resizePolicy = [] }: Container, from: ResourceRequirements, to: ResourceRequirements): boolean {
  const changed = (name: string): boolean => from.requests?.[name] !== to.requests?.[name] || from.limits?.[name] !== to.limits?.[name];
  return resizePolicy.some(({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && changed(resourceName));
}
