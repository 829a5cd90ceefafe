import { CSINodes, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, Services } from '@orrery/api';
import type { Node, Pod, PodAffinityTerm } from '@orrery/api/types';
import type { ApiDouble } from './api-double.ts';
import { benchCsiNode, benchNode, benchPod, boundVolume } from './objects.ts';

/** One shape of upstream's scheduler_perf. */
export interface Workload {
  readonly name: string;
  /** Pods a second that upstream's CI asks for. */
  readonly threshold: number;
  readonly nodes: number;
  /** Pods scheduled before the measurement begins. */
  readonly initPods: number;
  readonly pods: number;
  node(i: number): Node;
  initPod(i: number): Pod;
  pod(i: number): Pod;
  /** More that is there from the beginning. */
  prepare?(api: ApiDouble): void;
  /** Before a pod is created. */
  before?(api: ApiDouble, pod: Pod): void;
  /** Goes on while pods are measured, every so many milliseconds. */
  readonly churn?: { readonly everyMs: number; step(api: ApiDouble, round: number): void };
}

const zoned = (zones: number) => (i: number) => benchNode(i, { labels: { 'topology.kubernetes.io/zone': `zone${(i % zones) + 1}` } });
const term = (color: string, topologyKey: string): PodAffinityTerm => ({ labelSelector: { matchLabels: { color } }, topologyKey, namespaces: ['sched-0', 'sched-1'] });
const zone = 'topology.kubernetes.io/zone';
const host = 'kubernetes.io/hostname';
const plain = (i: number): Pod => benchPod(`pod-${i}`);
const plainInit = (i: number): Pod => benchPod(`init-${i}`, { namespace: 'sched-0' });

function colored(color: string, affinity: NonNullable<NonNullable<Pod['spec']>['affinity']>): Pick<Workload, 'initPod' | 'pod'> {
  const make = (name: string, namespace: string): Pod => benchPod(name, { namespace, labels: { color, name: 'test' }, spec: { affinity } });
  return { initPod: (i) => make(`init-${i}`, 'sched-0'), pod: (i) => make(`pod-${i}`, 'sched-1') };
}

/** More than any node has. */
const tooLarge = (name: string): Pod => benchPod(name, { requests: { cpu: '9', memory: '500Mi' }, spec: { priority: 10 } });
const low = (i: number): Pod => benchPod(`low-${i}`, { namespace: 'sched-0', requests: { cpu: '900m' }, spec: { priority: 1 } });

function withVolume(api: ApiDouble, pod: Pod): void {
  const { claim, volume } = boundVolume(pod.metadata?.name ?? '', pod.metadata?.namespace ?? '');
  api.put(PersistentVolumes, volume);
  api.put(PersistentVolumeClaims, claim);
}

const claiming = (name: string, namespace: string): Pod => benchPod(name, { namespace, spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }] } });

export const workloads: readonly Workload[] = [
  { name: 'SchedulingBasic', threshold: 680, nodes: 5000, initPods: 1000, pods: 10000, node: benchNode, initPod: plainInit, pod: plain },
  { name: 'SchedulingBasicLarge', threshold: 810, nodes: 5000, initPods: 5000, pods: 50000, node: benchNode, initPod: plainInit, pod: plain },
  {
    name: 'SchedulingPodAntiAffinity',
    threshold: 60,
    nodes: 5000,
    initPods: 1000,
    pods: 2000,
    node: benchNode,
    ...colored('green', { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('green', host)] } }),
  },
  {
    name: 'SchedulingPodAffinity',
    threshold: 35,
    nodes: 5000,
    initPods: 5000,
    pods: 5000,
    node: zoned(1),
    ...colored('blue', { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('blue', zone)] } }),
  },
  {
    name: 'SchedulingPreferredPodAffinity',
    threshold: 90,
    nodes: 5000,
    initPods: 5000,
    pods: 5000,
    node: benchNode,
    ...colored('red', { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term('red', host) }] } }),
  },
  {
    name: 'SchedulingNodeAffinity',
    threshold: 220,
    nodes: 5000,
    initPods: 5000,
    pods: 10000,
    node: zoned(1),
    initPod: plainInit,
    pod: (i) =>
      benchPod(`pod-${i}`, { spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: 'In', values: ['zone1', 'zone2'] }] }] } } } } }),
  },
  {
    name: 'TopologySpreading',
    threshold: 460,
    nodes: 5000,
    initPods: 5000,
    pods: 5000,
    node: zoned(3),
    initPod: plainInit,
    pod: (i) =>
      benchPod(`pod-${i}`, { labels: { color: 'blue' }, spec: { topologySpreadConstraints: [{ maxSkew: 5, topologyKey: zone, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { color: 'blue' } } }] } }),
  },
  {
    name: 'SchedulingDaemonset',
    threshold: 1100,
    nodes: 15000,
    initPods: 0,
    pods: 30000,
    node: (i) => (i === 0 ? benchNode(0, { name: 'scheduler-perf-node', allocatable: { cpu: '40000', memory: '320000Gi', pods: '90000' } }) : benchNode(i)),
    initPod: plainInit,
    pod: (i) =>
      benchPod(`pod-${i}`, { spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['scheduler-perf-node'] }] }] } } } } }),
  },
  {
    name: 'Preemption',
    threshold: 570,
    nodes: 5000,
    initPods: 20000,
    pods: 5000,
    node: benchNode,
    initPod: low,
    pod: (i) => benchPod(`pod-${i}`, { requests: { cpu: '3000m' }, spec: { priority: 10 } }),
  },
  {
    name: 'SchedulingWithMixedChurn',
    threshold: 710,
    nodes: 5000,
    initPods: 0,
    pods: 10000,
    node: benchNode,
    initPod: plainInit,
    pod: plain,
    churn: {
      everyMs: 1000,
      step(api, round) {
        api.put(Nodes, benchNode(100_000 + round));
        api.put(Pods, tooLarge(`churn-${round}`));
        api.put(Services, { apiVersion: 'v1', kind: 'Service', metadata: { name: `churn-${round}`, namespace: 'sched-1' }, spec: { selector: { app: 'churn' }, ports: [{ port: 80 }] } });
        if (round > 0) {
          api.remove(Pods, { namespace: 'sched-1', name: `churn-${round - 1}` });
          api.remove(Services, { namespace: 'sched-1', name: `churn-${round - 1}` });
        }
      },
    },
  },
  {
    name: 'Unschedulable',
    threshold: 590,
    nodes: 5000,
    initPods: 0,
    pods: 10000,
    node: benchNode,
    initPod: plainInit,
    pod: plain,
    prepare(api) {
      for (let i = 0; i < 100; i++) api.put(Pods, tooLarge(`large-${i}`));
    },
    churn: { everyMs: 200, step: (api, round) => api.put(Pods, tooLarge(`large-again-${round}`)) },
  },
  {
    name: 'SchedulingCSIPVs',
    threshold: 290,
    nodes: 5000,
    initPods: 5000,
    pods: 5000,
    node: benchNode,
    initPod: (i) => claiming(`init-${i}`, 'sched-0'),
    pod: (i) => claiming(`pod-${i}`, 'sched-1'),
    prepare(api) {
      for (let i = 0; i < 5000; i++) api.put(CSINodes, benchCsiNode(`node-${i}`));
    },
    before: withVolume,
  },
];
