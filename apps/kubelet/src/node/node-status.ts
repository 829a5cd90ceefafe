import type { Node, NodeAddress, NodeCondition, NodeStatus, Taint } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { type KubeletConfig, pairs } from '../config.ts';
import type { Pressure } from '../eviction/thresholds.ts';
import { nodeAmounts } from './node-capacity.ts';
import type { RuntimeHealth } from '../runtime/cri-runtime.ts';

export const kubeletVersion = 'v1.36.0';

export interface NodeFacts {
  readonly config: KubeletConfig;
  readonly nodeName: string;
  readonly runtime: { readonly name: string; readonly version: string };
  readonly health: RuntimeHealth;
  readonly ips: readonly string[];
  readonly machineId: string;
  readonly bootId: string;
  readonly images: NonNullable<NodeStatus['images']>;
  /** Of what there is too little. */
  readonly pressures: readonly Pressure[];
  /** Amounts of what device plug-ins have. */
  readonly devices: { readonly capacity: Readonly<Record<string, string>>; readonly allocatable: Readonly<Record<string, string>> };
  /** Volumes that are mounted here: they must not be detached. */
  readonly volumesInUse: readonly string[];
  /** The node is going down in an orderly way. */
  readonly isShuttingDown: boolean;
}

export function parseTaint(text: string): Taint {
  const at = text.lastIndexOf(':');
  const [key = '', value] = text.slice(0, at).split('=');
  return { key, effect: text.slice(at + 1), ...(value ? { value } : {}) };
}

/** The Node to register with. */
export function newNode(facts: Pick<NodeFacts, 'config' | 'nodeName'>): Node {
  const { config, nodeName } = facts;
  const { os, arch, kubeletEndpoint } = config;
  const taints = [
    ...config.registerWithTaints.map(parseTaint),
    ...(config.cloudProvider === 'external' ? [{ key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' }] : []),
  ];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels: {
        'beta.kubernetes.io/arch': arch,
        'beta.kubernetes.io/os': os,
        'kubernetes.io/arch': arch,
        'kubernetes.io/hostname': config.hostname || nodeName,
        'kubernetes.io/os': os,
        ...pairs(config.nodeLabels),
      },
      annotations: {
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
        // By these, and in this order, a cloud-controller-manager chooses among the addresses of the instance.
        ...(config.cloudProvider === 'external' && config.nodeIps.length ? { 'alpha.kubernetes.io/provided-node-ip': config.nodeIps.join() } : {}),
        ...(kubeletEndpoint ? { 'orrery.dev/kubelet-endpoint': kubeletEndpoint } : {}),
      },
    },
    spec: { ...(taints.length ? { taints } : {}), ...(config.providerId ? { providerID: config.providerId } : {}) },
  };
}

interface ConditionDraft {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

type ConditionFacts = Pick<NodeFacts, 'health' | 'pressures' | 'isShuttingDown'>;

/** Each pressure condition, as it reads while there is enough and while there is not. */
export const pressureReasons: readonly { type: Pressure; enough: readonly [reason: string, message: string]; short: readonly [reason: string, message: string] }[] = [
  { type: 'MemoryPressure', enough: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'], short: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'] },
  { type: 'DiskPressure', enough: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'], short: ['KubeletHasDiskPressure', 'kubelet has disk pressure'] },
  { type: 'PIDPressure', enough: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'], short: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'] },
];

function readyCondition({ health, isShuttingDown }: ConditionFacts): ConditionDraft {
  if (isShuttingDown) return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'node is shutting down' };
  if (health.runtimeReady && health.networkReady) return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  const { problems } = health;
  const message = problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`;
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
}

function conditions(facts: ConditionFacts, old: readonly NodeCondition[], nowMs: number): NodeCondition[] {
  const now = rfc3339(nowMs);
  const drafts: ConditionDraft[] = [
    ...pressureReasons.map(({ type, enough, short }): ConditionDraft => {
      const isShort = facts.pressures.includes(type);
      const [reason, message] = isShort ? short : enough;
      return { type, status: isShort ? 'True' : 'False', reason, message };
    }),
    readyCondition(facts),
  ];
  return drafts.map((draft) => {
    const before = old.find(({ type }) => type === draft.type);
    const lastTransitionTime = before?.status === draft.status && before.lastTransitionTime ? before.lastTransitionTime : now;
    return { ...draft, lastHeartbeatTime: now, lastTransitionTime };
  });
}

function addressesOf(facts: NodeFacts, old: readonly NodeAddress[]): NodeAddress[] {
  if (facts.config.cloudProvider === 'external' && old.length) return [...old];
  return [...facts.ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: facts.config.hostname || facts.nodeName }];
}

const typeRepeats = (addresses: readonly NodeAddress[]): boolean => new Set(addresses.map(({ type }) => type)).size < addresses.length;

/** They are merged by their type: where several are of one type, one would take the place of another, so that all are replaced. */
export function addressesPatch(old: readonly NodeAddress[] = [], wanted: readonly NodeAddress[] = []): object[] {
  return typeRepeats(old) || typeRepeats(wanted) ? [...wanted, { $patch: 'replace' }] : [...wanted];
}

/** The status the kubelet reports for its node. */
export function nodeStatus(facts: NodeFacts, old: NodeStatus, nowMs: number): NodeStatus {
  const { config, runtime } = facts;
  const { capacity, allocatable } = nodeAmounts(config, facts.devices.capacity);
  // A runtime that is away for a moment has not lost what it can do.
  const { handlers: runtimeHandlers = old.runtimeHandlers, features = old.features } = facts.health;
  return {
    capacity: { ...capacity },
    allocatable: { ...allocatable, ...facts.devices.allocatable },
    conditions: conditions(facts, old.conditions ?? [], nowMs),
    addresses: addressesOf(facts, old.addresses ?? []),
    daemonEndpoints: { kubeletEndpoint: { Port: config.port } },
    nodeInfo: {
      machineID: facts.machineId,
      systemUUID: facts.machineId,
      bootID: facts.bootId,
      kernelVersion: '6.12.0-orrery',
      osImage: 'Orrery',
      containerRuntimeVersion: `${runtime.name}://${runtime.version}`,
      kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: config.os,
      architecture: config.arch,
    },
    images: facts.images,
    ...(runtimeHandlers ? { runtimeHandlers } : {}),
    ...(features ? { features } : {}),
    ...(facts.volumesInUse.length || old.volumesInUse?.length ? { volumesInUse: [...facts.volumesInUse] } : {}),
  };
}

