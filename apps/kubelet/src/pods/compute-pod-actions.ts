import type { Container, Pod } from '@orrery/api/types';
import { containerHash } from '../runtime/labels.ts';
import { type PodRuntime, type RuntimeContainer, type RuntimeSandbox, latestContainer, wasReset } from '../runtime/pod-runtime.ts';
import { ephemeralContainers, initContainers, isHostNetwork, isSidecar, mainContainers, restartAllContainers, ruledAction, shouldRestart, shouldRetryInit } from './pod-spec.ts';

/** What probes have found out about running containers, by container id. */
export interface ProbeVerdicts {
  /** The startup probe succeeded, or there is none. */
  started(containerId: string): boolean;
  failed(containerId: string): 'liveness' | 'startup' | undefined;
}

export interface ContainerKill {
  readonly container: RuntimeContainer;
  readonly message: string;
  readonly cause: 'liveness' | 'startup' | 'definition';
}

export interface PodActions {
  /** End everything that runs, sandbox included: nothing is left to do, or the sandbox must be made anew. */
  readonly killPod: boolean;
  readonly createSandbox: boolean;
  /** Attempt number of the sandbox to create. */
  readonly attempt: number;
  /** The sandbox to start containers in, when it is not created anew. */
  readonly sandbox: RuntimeSandbox | undefined;
  readonly kill: readonly ContainerKill[];
  readonly startInit: readonly Container[];
  readonly start: readonly Container[];
  readonly startEphemeral: readonly Container[];
}

/** Is there anything to do? */
export function hasActions({ killPod, createSandbox, kill, startInit, start, startEphemeral }: PodActions): boolean {
  return killPod || createSandbox || kill.length + startInit.length + start.length + startEphemeral.length > 0;
}

/** Whether every container runs, as it is defined, in the one sandbox there is: as long as no probe fails nothing can follow from that. */
export function runsWhole(pod: Pod, { sandboxes, containers }: PodRuntime): boolean {
  const wanted = mainContainers(pod);
  if (sandboxes.length !== 1 || !sandboxes[0]?.ready || containers.length !== wanted.length || initContainers(pod).length + ephemeralContainers(pod).length > 0) return false;
  return wanted.every((container) => containers.some(({ name, state, hash }) => name === container.name && state === 'running' && hash === containerHash(container)));
}

const none = { kill: [], startInit: [], start: [], startEphemeral: [] };

interface SandboxPlan {
  readonly recreate: boolean;
  readonly attempt: number;
  readonly sandbox: RuntimeSandbox | undefined;
}

function planSandbox(pod: Pod, runtime: PodRuntime): SandboxPlan {
  const newest = runtime.sandboxes[0];
  if (!newest) return { recreate: true, attempt: 0, sandbox: undefined };
  const again = { recreate: true, attempt: newest.attempt + 1, sandbox: newest };
  if (runtime.sandboxes.length > 1 && runtime.sandboxes.filter((sandbox) => sandbox.ready).length > 1) return again;
  if (!newest.ready || newest.hostNetwork !== isHostNetwork(pod)) return again;
  if (!newest.hostNetwork && newest.ips.length === 0) return again;
  return { recreate: false, attempt: newest.attempt, sandbox: newest };
}

/** Containers to start in a fresh sandbox: those whose earlier end was not final. */
function unfinished(pod: Pod, runtime: PodRuntime): Container[] {
  return mainContainers(pod).filter((container) => {
    const last = latestContainer(runtime, container.name);
    return last?.state !== 'exited' || wasReset(last) || shouldRestart(pod, container, last.exitCode);
  });
}

function planFreshSandbox(pod: Pod, runtime: PodRuntime, plan: SandboxPlan): PodActions {
  const base = { ...none, attempt: plan.attempt, sandbox: undefined, killPod: plan.sandbox !== undefined };
  const start = unfinished(pod, runtime);
  const begun = mainContainers(pod).some((container) => latestContainer(runtime, container.name));
  const initFailed = !begun && initContainers(pod).some((container) => isFinalInitFailure(pod, container, runtime));
  if ((begun && start.length === 0) || initFailed) return { ...base, killPod: true, createSandbox: false };
  const [first] = initContainers(pod);
  if (first) return { ...base, createSandbox: true, startInit: [first] };
  return { ...base, createSandbox: true, start, startEphemeral: newEphemeral(pod, runtime) };
}

function isFinalInitFailure(pod: Pod, container: Container, runtime: PodRuntime): boolean {
  const last = latestContainer(runtime, container.name);
  return last?.state === 'exited' && last.exitCode !== 0 && !wasReset(last) && !isSidecar(container) && !shouldRetryInit(pod, container, last.exitCode);
}

function newEphemeral(pod: Pod, runtime: PodRuntime): readonly Container[] {
  const containers = ephemeralContainers(pod);
  return containers.length === 0 ? containers : containers.filter((container) => !latestContainer(runtime, container.name));
}

/** Why a running container must go, if it must. */
function killReason(container: Container, running: RuntimeContainer, probes: ProbeVerdicts): Pick<ContainerKill, 'message' | 'cause'> | undefined {
  if (running.hash !== '' && running.hash !== containerHash(container)) return { message: `Container ${container.name} definition changed`, cause: 'definition' };
  const failed = probes.failed(running.id);
  return failed && { message: `Container ${container.name} failed ${failed} probe`, cause: failed };
}

interface InitPlan {
  readonly kill: readonly ContainerKill[];
  readonly start: readonly Container[];
  readonly initialized: boolean;
  readonly failed: boolean;
}

interface InitStep {
  readonly pod: Pod;
  readonly container: Container;
  readonly current: RuntimeContainer | undefined;
  /** A later container has been made already, so this one had done its part. */
  readonly passed: boolean;
  readonly probes: ProbeVerdicts;
}

/** One step through the init containers: `wait` stops there, `next` goes on to the one after. */
function planInitStep({ pod, container, current, passed, probes }: InitStep): { verdict: 'wait' | 'next' | 'failed'; start?: true; kill?: ContainerKill } {
  const on = passed ? 'next' : 'wait';
  const active = current?.state === 'running' ? current : undefined;
  if (isSidecar(container)) {
    if (!active) return { verdict: on, start: true };
    const reason = killReason(container, active, probes);
    if (reason) return { verdict: on, start: true, kill: { container: active, ...reason, message: `${reason.message}, will be restarted` } };
    return { verdict: passed || probes.started(active.id) ? 'next' : 'wait' };
  }
  if (passed) return { verdict: 'next' };
  if (active) return { verdict: 'wait' };
  if (current?.state !== 'exited') return { verdict: 'wait', start: true };
  if (current.exitCode === 0) return { verdict: 'next' };
  return shouldRetryInit(pod, container, current.exitCode) ? { verdict: 'wait', start: true } : { verdict: 'failed' };
}

const noInit: InitPlan = { kill: [], start: [], initialized: true, failed: false };

function planInit(pod: Pod, runtime: PodRuntime, context: { sandbox: RuntimeSandbox; probes: ProbeVerdicts }): InitPlan {
  const containers = initContainers(pod);
  if (containers.length === 0) return noInit;
  const inSandbox = (name: string): RuntimeContainer | undefined => {
    const found = latestContainer(runtime, name);
    return found?.sandboxId === context.sandbox.id ? found : undefined;
  };
  const begun = mainContainers(pod).some((container) => inSandbox(container.name));
  const lastMade = begun ? containers.length : containers.findLastIndex((container) => inSandbox(container.name));
  const kill: ContainerKill[] = [];
  const start: Container[] = [];
  for (const [i, container] of containers.entries()) {
    const step = planInitStep({ pod, container, current: inSandbox(container.name), passed: i < lastMade, probes: context.probes });
    if (step.kill) kill.push(step.kill);
    if (step.start) start.push(container);
    if (step.verdict !== 'next') return { kill, start, initialized: false, failed: step.verdict === 'failed' };
  }
  return { kill, start, initialized: true, failed: false };
}

function planMain(pod: Pod, runtime: PodRuntime, probes: ProbeVerdicts): { kill: ContainerKill[]; start: Container[]; keep: number } {
  const kill: ContainerKill[] = [];
  const start: Container[] = [];
  let keep = 0;
  for (const container of mainContainers(pod)) {
    const current = latestContainer(runtime, container.name);
    if (!current || current.state === 'created' || current.state === 'unknown') start.push(container);
    else if (current.state === 'exited') {
      if (wasReset(current) || shouldRestart(pod, container, current.exitCode)) start.push(container);
    } else {
      const reason = killReason(container, current, probes);
      if (!reason) {
        keep++;
        continue;
      }
      const restart = reason.cause === 'definition' || shouldRestart(pod, container, 137);
      kill.push({ container: current, ...reason, message: restart ? `${reason.message}, will be restarted` : reason.message });
      if (restart) start.push(container);
    }
  }
  return { kill, start, keep };
}

/** The container whose end, by its own rules, is to start the whole pod anew. */
export function resetTrigger(pod: Pod, runtime: PodRuntime): string | undefined {
  const isTrigger = (container: Container): boolean => {
    if (!container.restartPolicyRules?.length) return false;
    const last = latestContainer(runtime, container.name);
    return last?.state === 'exited' && !wasReset(last) && ruledAction(container, last.exitCode) === restartAllContainers;
  };
  return (initContainers(pod).find(isTrigger) ?? mainContainers(pod).find(isTrigger))?.name;
}

/**
 * Decides what has to be done so that the pod runs as it says, from what the runtime holds of it. For pods that are to
 * run; ending a pod is another matter. Pure; back-off is applied when a start is carried out.
 */
export function computePodActions(pod: Pod, runtime: PodRuntime, probes: ProbeVerdicts): PodActions {
  const plan = planSandbox(pod, runtime);
  if (plan.recreate || !plan.sandbox) return planFreshSandbox(pod, runtime, plan);
  const base = { ...none, createSandbox: false, attempt: plan.attempt, sandbox: plan.sandbox };
  const startEphemeral = newEphemeral(pod, runtime);
  const init = planInit(pod, runtime, { sandbox: plan.sandbox, probes });
  if (init.failed) return { ...base, killPod: true };
  if (!init.initialized) return { ...base, killPod: false, kill: init.kill, startInit: init.start, startEphemeral };
  const main = planMain(pod, runtime, probes);
  if (main.keep === 0 && main.start.length === 0) return { ...base, killPod: true, kill: main.kill };
  return { ...base, killPod: false, kill: init.kill.length ? [...init.kill, ...main.kill] : main.kill, startInit: init.start, start: main.start, startEphemeral };
}
