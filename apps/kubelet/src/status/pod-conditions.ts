import type { ContainerStatus, Pod, PodCondition, ResourceRequirements } from '@orrery/api/types';
import { initContainers, isSidecar, mainContainers, restartAllContainers, sidecars } from '../pods/pod-spec.ts';
import { restartingAll } from '../runtime/pod-runtime.ts';

type Draft = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

const list = (names: readonly string[]): string => `[${names.join(' ')}]`;

function falseCondition(type: string, reason: string, message?: string): Draft {
  return { type, status: 'False', reason, ...(message ? { message } : {}) };
}

/** The kubelet's own conditions. */
export const ownedConditions: readonly string[] = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled', 'AllContainersRestarting', 'PodResizePending', 'PodResizeInProgress'];

function initialized(pod: Pod, statuses: { init: readonly ContainerStatus[]; main: readonly ContainerStatus[] }, phase: string): Draft {
  const type = 'Initialized';
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of initContainers(pod)) {
    const status = statuses.init.find((s) => s.name === container.name);
    if (!status) unknown.push(container.name);
    else if (isSidecar(container) ? !status.started : !status.ready) incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { type, status: 'True', reason: 'PodCompleted' };
  const begun = statuses.main.some((s) => s.state?.running ?? s.state?.terminated ?? s.lastState?.terminated);
  if (begun) return { type, status: 'True' };
  const parts = [
    ...(unknown.length ? [`containers with unknown status: ${list(unknown)}`] : []),
    ...(incomplete.length ? [`containers with incomplete status: ${list(incomplete)}`] : []),
  ];
  return parts.length ? falseCondition(type, 'ContainersNotInitialized', parts.join(', ')) : { type, status: 'True' };
}

function containersReady(pod: Pod, statuses: { init: readonly ContainerStatus[]; main: readonly ContainerStatus[] }, phase: string): Draft {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return falseCondition(type, 'PodCompleted');
  if (phase === 'Failed') return falseCondition(type, 'PodFailed');
  const all = [...statuses.init, ...statuses.main];
  const unknown: string[] = [];
  const unready: string[] = [];
  for (const container of [...sidecars(pod), ...mainContainers(pod)]) {
    const status = all.find((s) => s.name === container.name);
    if (!status) unknown.push(container.name);
    else if (!status.ready) unready.push(container.name);
  }
  const parts = [
    ...(unknown.length ? [`containers with unknown status: ${list(unknown)}`] : []),
    ...(unready.length ? [`containers with unready status: ${list(unready)}`] : []),
  ];
  return parts.length ? falseCondition(type, 'ContainersNotReady', parts.join(', ')) : { type, status: 'True' };
}

function gateProblem(type: string, conditions: readonly PodCondition[]): string | undefined {
  const found = conditions.find((condition) => condition.type === type);
  if (!found) return `corresponding condition of pod readiness gate "${type}" does not exist.`;
  return found.status === 'True' ? undefined : `the status of pod readiness gate "${type}" is not "True", but ${found.status}`;
}

function ready(pod: Pod, containers: Draft): Draft {
  if (containers.status !== 'True') return { ...containers, type: 'Ready' };
  const conditions = pod.status?.conditions ?? [];
  const problems = (pod.spec?.readinessGates ?? []).flatMap((gate) => gateProblem(gate.conditionType, conditions) ?? []);
  return problems.length ? falseCondition('Ready', 'ReadinessGatesNotReady', problems.join(', ')) : { type: 'Ready', status: 'True' };
}

/** For pods with such a rule alone: whether all their containers are being replaced right now. */
function allRestarting(pod: Pod, { main, phase }: Pick<ConditionInput, 'main' | 'phase'>): Draft[] {
  const type = 'AllContainersRestarting';
  const mayRestart = [...initContainers(pod), ...mainContainers(pod)].some(({ restartPolicyRules }) => restartPolicyRules?.some(({ action }) => action === restartAllContainers));
  if (!mayRestart) return [];
  if (phase === 'Succeeded' || phase === 'Failed') return [falseCondition(type, phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed')];
  const isUnderWay = main.some(({ state, lastState }) => state?.waiting && lastState?.terminated?.reason === restartingAll.reason);
  return [{ type, status: isUnderWay ? 'True' : 'False' }];
}

export interface ConditionInput {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly phase: string;
  /** A resize that waits, or that was granted and failed. */
  readonly resize?: { readonly pending?: { readonly reason: string; readonly message: string }; readonly error?: string; readonly whole?: { readonly allocated: ResourceRequirements; readonly inForce: ResourceRequirements } };
  /** Why the kubelet ends the pod for the node's sake. */
  readonly disruption?: string | undefined;
  /** A ready sandbox with its network. */
  readonly sandboxReady: boolean;
  /** RFC 3339, for conditions that change now. */
  readonly now: string;
}

/**
 * The conditions the kubelet answers for, in upstream's order; those of others are not in the result. A condition keeps
 * its transition time while its status stays.
 */
export function podConditions(pod: Pod, input: ConditionInput): PodCondition[] {
  const containers = containersReady(pod, input, input.phase);
  const drafts: Draft[] = [
    { type: 'PodReadyToStartContainers', status: input.sandboxReady ? 'True' : 'False' },
    initialized(pod, input, input.phase),
    ready(pod, containers),
    containers,
    { type: 'PodScheduled', status: 'True' },
    ...allRestarting(pod, input),
    ...(input.resize?.pending ? [{ type: 'PodResizePending', status: 'True', ...input.resize.pending } as const] : []),
    ...(input.resize?.error === undefined ? [] : [{ type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: input.resize.error } as const]),
    ...(input.disruption === undefined ? [] : [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: input.disruption } as const]),
  ];
  const generation = pod.metadata?.generation;
  return drafts.map((draft) => {
    const old = pod.status?.conditions?.find((condition) => condition.type === draft.type);
    const lastTransitionTime = old?.status === draft.status && old.lastTransitionTime ? old.lastTransitionTime : input.now;
    return { ...draft, lastTransitionTime, ...(generation === undefined ? {} : { observedGeneration: generation }) };
  });
}
