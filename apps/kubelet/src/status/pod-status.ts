import type { Pod, PodStatus } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { isHostNetwork, isTerminal } from '../pods/pod-spec.ts';
import type { PodRuntime } from '../runtime/pod-runtime.ts';
import { type StatusContext, containerStatuses } from './container-statuses.ts';
import { type ConditionInput, podConditions } from './pod-conditions.ts';
import { podPhase } from './pod-phase.ts';
import { qosClass } from './qos-class.ts';

export interface PodStatusInput {
  readonly pod: Pod;
  readonly runtime: PodRuntime;
  readonly context: StatusContext;
  readonly nowMs: number;
  readonly startMs: number;
  readonly hostIps: readonly string[];
  /** Nothing will be started any more. */
  readonly ended: boolean;
  /** The kubelet's own verdict on the pod: DeadlineExceeded, Evicted …; makes the phase Failed. */
  readonly resize?: ConditionInput['resize'];
  /** The kubelet ends the pod for the node's sake: message of the condition. */
  readonly disruption?: string | undefined;
  readonly verdict?: { readonly reason: string; readonly message: string } | undefined;
}

/** A terminal phase is final, but only for as long as nothing runs. */
function finalPhase(pod: Pod, computed: string): string {
  const before = pod.status?.phase;
  return isTerminal(before) && computed !== 'Running' ? (before as string) : computed;
}

/** Of a pod that has resources as a whole. */
function wholeResources(whole: NonNullable<NonNullable<ConditionInput['resize']>['whole']>): Pick<PodStatus, 'allocatedResources' | 'resources'> {
  const { requests, limits } = whole.inForce;
  return { ...(whole.allocated.requests ? { allocatedResources: whole.allocated.requests } : {}), resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) } };
}

const toIp = (ip: string): { ip: string } => ({ ip });

/** The status of a pod as the kubelet reports it; pure. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, runtime, context, hostIps } = input;
  const statuses = containerStatuses(pod, runtime, context);
  const running = statuses.main.some((s) => s.state?.running);
  const phase = input.verdict && !running ? 'Failed' : finalPhase(pod, podPhase(pod, statuses, input.ended));
  const sandbox = runtime.sandboxes[0];
  const sandboxReady = sandbox?.ready === true;
  const ips = isHostNetwork(pod) ? hostIps : sandbox?.ips.length ? sandbox.ips : (pod.status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  const [ip] = ips;
  const generation = pod.metadata?.generation;
  const conditions = podConditions(pod, { init: statuses.init, main: statuses.main, phase, sandboxReady, now: rfc3339(input.nowMs), resize: input.resize, disruption: input.disruption });
  const status: PodStatus = { phase, conditions };
  if (input.verdict) {
    status.reason = input.verdict.reason;
    status.message = input.verdict.message;
  }
  status.hostIP = hostIps[0] ?? '';
  status.hostIPs = hostIps.map(toIp);
  if (ip && (sandboxReady || pod.status?.podIP)) {
    status.podIP = ip;
    status.podIPs = ips.map(toIp);
  }
  status.startTime = pod.status?.startTime ?? rfc3339(input.startMs);
  if (statuses.init.length) status.initContainerStatuses = statuses.init;
  status.containerStatuses = statuses.main;
  if (statuses.ephemeral.length) status.ephemeralContainerStatuses = statuses.ephemeral;
  status.qosClass = qosClass(pod);
  if (input.resize?.whole) Object.assign(status, wholeResources(input.resize.whole));
  if (generation !== undefined) status.observedGeneration = generation;
  return status;
}

/** The API server's status of a pod, with what was reported since laid over it. */
export function knownStatus({ status = {} }: Pod, reported: PodStatus | undefined): PodStatus {
  if (!reported) return status;
  const others = (status.conditions ?? []).filter(({ type }) => !reported.conditions?.some((own) => own.type === type));
  return { ...status, ...reported, conditions: [...(reported.conditions ?? []), ...others] };
}
