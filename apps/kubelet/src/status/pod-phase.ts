import type { ContainerStatus, Pod } from '@orrery/api/types';
import { initContainers, isSidecar, mainContainers, shouldRestart, shouldRetryInit } from '../pods/pod-spec.ts';
import { restartingAll } from '../runtime/pod-runtime.ts';

function initTally(pod: Pod, statuses: readonly ContainerStatus[], begun: boolean): { pending: number; failed: number; isFinal: boolean } {
  let pending = 0;
  let failed = 0;
  let isFinal = false;
  for (const container of initContainers(pod)) {
    const status = statuses.find((s) => s.name === container.name);
    if (isSidecar(container)) {
      if (!begun && !(status?.state?.running && status.started)) pending++;
      continue;
    }
    const terminated = status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined);
    // One that went with all others of its pod has not failed: it runs again.
    if (!terminated || (status?.state?.waiting && terminated.reason === restartingAll.reason)) pending++;
    else if (terminated.exitCode !== 0) {
      failed++;
      isFinal ||= !shouldRetryInit(pod, container, terminated.exitCode);
    }
  }
  return { pending: begun ? 0 : pending, failed, isFinal };
}

interface MainTally {
  unknown: number;
  running: number;
  waiting: number;
  stopped: number;
  succeeded: number;
  /** Of the stopped ones those that will be started again. */
  returning: number;
}

function mainTally(pod: Pod, statuses: readonly ContainerStatus[]): MainTally {
  const tally: MainTally = { unknown: 0, running: 0, waiting: 0, stopped: 0, succeeded: 0, returning: 0 };
  for (const container of mainContainers(pod)) {
    const status = statuses.find((s) => s.name === container.name);
    if (status?.state?.running) tally.running++;
    else if (status?.state?.terminated) {
      tally.stopped++;
      if (status.state.terminated.exitCode === 0) tally.succeeded++;
      if (shouldRestart(pod, container, status.state.terminated.exitCode)) tally.returning++;
    } else if (!status?.state?.waiting) tally.unknown++;
    else if (status.lastState?.terminated) {
      tally.stopped++;
      tally.returning++;
    } else tally.waiting++;
  }
  return tally;
}

/**
 * The phase that follows from container statuses. `ended`: the pod will not start anything any more (it is deleted, or
 * timed out), so stopped containers decide.
 */
export function podPhase(pod: Pod, statuses: { init: readonly ContainerStatus[]; main: readonly ContainerStatus[] }, ended: boolean): string {
  const begun = statuses.main.some((s) => s.state?.running ?? s.state?.terminated ?? s.lastState?.terminated);
  const init = initTally(pod, statuses.init, begun);
  const { unknown, running, waiting, stopped, succeeded, returning } = mainTally(pod, statuses.main);
  if (init.isFinal) return 'Failed';
  if (ended && running === 0 && waiting === 0 && unknown === 0 && stopped > 0) return stopped === succeeded ? 'Succeeded' : 'Failed';
  if (ended && !begun) return 'Failed';
  if (init.pending > 0 || (init.failed > 0 && !begun)) return 'Pending';
  if (waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (running === 0 && stopped > 0 && unknown === 0) {
    if (returning > 0) return 'Running';
    return stopped === succeeded ? 'Succeeded' : 'Failed';
  }
  return 'Pending';
}
