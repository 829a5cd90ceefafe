import type { Container, ContainerState, ContainerStatus, Pod } from '../../../../gen/types.ts';
import type { Column } from '../../../kind.ts';
import { ageColumn, nameColumn, text, wideText } from '../../../printing/columns.ts';
import { since } from '../../../printing/duration.ts';
import { indexed } from '../../../validation/field-path.ts';

interface Summary {
  reason: string;
  ready: number;
  total: number;
  restarts: number;
  lastRestart: string;
}

const isSidecar = (container: Container | undefined): boolean => container?.restartPolicy === 'Always';
const hasCondition = (pod: Pod, type: string): boolean => (pod.status?.conditions ?? []).some((c) => c.type === type && c.status === 'True');
const later = (a: string, b: string | undefined): string => (b !== undefined && b > a ? b : a);

function exitReason(state: ContainerState['terminated']): string {
  if (state?.reason) return state.reason;
  return state?.signal ? `Signal:${state.signal}` : `ExitCode:${state?.exitCode ?? 0}`;
}

/** Why an init container holds the pod up; undefined when it does not. */
function initReason(status: ContainerStatus, { sidecar, progress }: { sidecar: boolean; progress: string }): string | undefined {
  const { terminated, waiting } = status.state ?? {};
  if (terminated && terminated.exitCode === 0) return undefined;
  if (sidecar && status.started) return undefined;
  if (terminated) return `Init:${exitReason(terminated)}`;
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
  return `Init:${progress}`;
}

/** Counts over init containers up to the one that is still busy. */
function summariseInit(pod: Pod, summary: Summary): { blocked: boolean; sidecars: Pick<Summary, 'restarts' | 'lastRestart'> } {
  const specs = new Map((pod.spec?.initContainers ?? []).map((container) => [container.name, container]));
  const sidecars = { restarts: 0, lastRestart: '' };
  for (const [i, status] of indexed(pod.status?.initContainerStatuses)) {
    const sidecar = isSidecar(specs.get(status.name));
    const finished = status.lastState?.terminated?.finishedAt;
    summary.restarts += status.restartCount;
    summary.lastRestart = later(summary.lastRestart, finished);
    if (sidecar) {
      sidecars.restarts += status.restartCount;
      sidecars.lastRestart = later(sidecars.lastRestart, finished);
    }
    const reason = initReason(status, { sidecar, progress: `${i}/${specs.size}` });
    if (reason !== undefined) {
      summary.reason = reason;
      return { blocked: true, sidecars };
    }
    const done = status.state?.terminated?.exitCode === 0;
    if (sidecar && !done && status.ready) summary.ready++;
  }
  return { blocked: false, sidecars };
}

function summariseContainers(pod: Pod, summary: Summary): void {
  let hasRunning = false;
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    const { waiting, terminated, running } = status.state ?? {};
    summary.restarts += status.restartCount;
    summary.lastRestart = later(summary.lastRestart, status.lastState?.terminated?.finishedAt);
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated) summary.reason = exitReason(terminated);
    else if (status.ready && running) {
      hasRunning = true;
      summary.ready++;
    }
  }
  if (summary.reason === 'Completed' && hasRunning) summary.reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
}

/** What `kubectl get pods` says about a pod, by the rules of upstream's printer. */
export function summarisePod(pod: Pod): Summary {
  const status = pod.status ?? {};
  const sidecarCount = (pod.spec?.initContainers ?? []).filter(isSidecar).length;
  const total = (pod.spec?.containers ?? []).length + sidecarCount;
  const summary: Summary = { reason: status.reason || status.phase || '', ready: 0, total, restarts: 0, lastRestart: '' };
  if ((status.conditions ?? []).some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated')) summary.reason = 'SchedulingGated';
  const { blocked, sidecars } = summariseInit(pod, summary);
  if (!blocked || hasCondition(pod, 'Initialized')) {
    Object.assign(summary, sidecars);
    summariseContainers(pod, summary);
  }
  if (pod.metadata?.deletionTimestamp) {
    const terminal = status.phase === 'Failed' || status.phase === 'Succeeded';
    if (status.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (!terminal) summary.reason = 'Terminating';
  }
  return summary;
}

function restarts(pod: Pod, nowMs: number): string {
  const summary = summarisePod(pod);
  const ago = summary.restarts > 0 && summary.lastRestart !== '' ? ` (${since(summary.lastRestart, nowMs)} ago)` : '';
  return `${summary.restarts}${ago}`;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const open = gates.filter((gate) => hasCondition(pod, gate.conditionType)).length;
  return `${open}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  text('Ready', (pod) => {
    const { ready, total } = summarisePod(pod);
    return `${ready}/${total}`;
  }),
  text('Status', (pod) => summarisePod(pod).reason),
  text('Restarts', (pod, { nowMs }) => restarts(pod, nowMs)),
  ageColumn,
  wideText('IP', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>'),
  wideText('Node', (pod) => pod.spec?.nodeName || '<none>'),
  wideText('Nominated Node', (pod) => pod.status?.nominatedNodeName || '<none>'),
  wideText('Readiness Gates', readinessGates),
];
