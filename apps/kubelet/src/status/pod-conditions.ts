import type { Container, ContainerStatus, Pod, PodCondition, ResourceRequirements } from '@orrery/api/types';
import { initContainers, isSidecar, mainContainers, restartAllContainers, sidecars } from '../pods/pod-spec.ts';
import { restartingAll } from '../runtime/pod-runtime.ts';

/** Without its time and generation, until these are added. */
type Draft = PodCondition;

const list = (names: readonly string[]): string => `[${names.join(' ')}]`;

function falseCondition(type: string, reason: string, message?: string): Draft {
  return message ? { type, status: 'False', reason, message } : { type, status: 'False', reason };
}

/** The kubelet's own conditions. */
export const ownedConditions: readonly string[] = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled', 'AllContainersRestarting', 'PodResizePending', 'PodResizeInProgress'];

/** What keeps containers from being as a condition wants them, in upstream's words; undefined: nothing. */
function lacks(unknown: readonly string[], what: string, others: readonly string[]): string | undefined {
  if (!others.length) return unknown.length ? `containers with unknown status: ${list(unknown)}` : undefined;
  const rest = `containers with ${what} status: ${list(others)}`;
  return unknown.length ? `containers with unknown status: ${list(unknown)}, ${rest}` : rest;
}

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
  const problem = lacks(unknown, 'incomplete', incomplete);
  return problem ? falseCondition(type, 'ContainersNotInitialized', problem) : { type, status: 'True' };
}

function containersReady(pod: Pod, statuses: { init: readonly ContainerStatus[]; main: readonly ContainerStatus[] }, phase: string): Draft {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return falseCondition(type, 'PodCompleted');
  if (phase === 'Failed') return falseCondition(type, 'PodFailed');
  const unknown: string[] = [];
  const unready: string[] = [];
  const judge = (containers: readonly Container[], of: readonly ContainerStatus[]): void => {
    for (const { name } of containers) {
      const status = of.find((s) => s.name === name);
      if (!status) unknown.push(name);
      else if (!status.ready) unready.push(name);
    }
  };
  judge(sidecars(pod), statuses.init);
  judge(mainContainers(pod), statuses.main);
  const problem = lacks(unknown, 'unready', unready);
  return problem ? falseCondition(type, 'ContainersNotReady', problem) : { type, status: 'True' };
}

function gateProblem(type: string, conditions: readonly PodCondition[]): string | undefined {
  const found = conditions.find((condition) => condition.type === type);
  if (!found) return `corresponding condition of pod readiness gate "${type}" does not exist.`;
  return found.status === 'True' ? undefined : `the status of pod readiness gate "${type}" is not "True", but ${found.status}`;
}

function ready(pod: Pod, containers: Draft): Draft {
  if (containers.status !== 'True') return { ...containers, type: 'Ready' };
  const gates = pod.spec?.readinessGates;
  if (!gates?.length) return { type: 'Ready', status: 'True' };
  const conditions = pod.status?.conditions ?? [];
  const problems = gates.flatMap((gate) => gateProblem(gate.conditionType, conditions) ?? []);
  return problems.length ? falseCondition('Ready', 'ReadinessGatesNotReady', problems.join(', ')) : { type: 'Ready', status: 'True' };
}

const mayRestartAll = ({ restartPolicyRules }: Container): boolean => restartPolicyRules?.some(({ action }) => action === restartAllContainers) ?? false;

/** For pods with such a rule alone: whether all their containers are being replaced right now. */
function allRestarting(pod: Pod, { main, phase }: Pick<ConditionInput, 'main' | 'phase'>): Draft | undefined {
  const type = 'AllContainersRestarting';
  if (!initContainers(pod).some(mayRestartAll) && !mainContainers(pod).some(mayRestartAll)) return undefined;
  if (phase === 'Succeeded' || phase === 'Failed') return falseCondition(type, phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed');
  const isUnderWay = main.some(({ state, lastState }) => state?.waiting && lastState?.terminated?.reason === restartingAll.reason);
  return { type, status: isUnderWay ? 'True' : 'False' };
}

export interface ConditionInput {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly phase: string;
  /** A resize that waits, or that was granted and failed. */
  readonly resize?: { readonly pending?: { readonly reason: string; readonly message: string }; readonly error?: string; readonly whole?: { readonly allocated: ResourceRequirements; readonly inForce: ResourceRequirements } } | undefined;
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
  ];
  const restarting = allRestarting(pod, input);
  if (restarting) drafts.push(restarting);
  if (input.resize?.pending) drafts.push({ type: 'PodResizePending', status: 'True', ...input.resize.pending });
  if (input.resize?.error !== undefined) drafts.push({ type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: input.resize.error });
  if (input.disruption !== undefined) drafts.push({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: input.disruption });
  const generation = pod.metadata?.generation;
  for (const draft of drafts) {
    const old = pod.status?.conditions?.find((condition) => condition.type === draft.type);
    draft.lastTransitionTime = old?.status === draft.status && old.lastTransitionTime ? old.lastTransitionTime : input.now;
    if (generation !== undefined) draft.observedGeneration = generation;
  }
  return drafts;
}
