import type { Container, Pod } from '@orrery/api/types';
import { parseQuantity, quantityMilliValue, timeMs } from '@orrery/apimachinery';
import { podCondition } from '../pods/pod-state.ts';
import { MetricError, type PodSample, type PodSamples } from './readings.ts';

/** How samples of young pods are taken; the flags of kube-controller-manager. */
export interface ReadinessSettings {
  /** So long after its start a pod's CPU counts only while it is ready and measured since. */
  readonly cpuInitializationMs: number;
  /** A pod that has become unready within this time of its start, and is so since, has never been ready. */
  readonly initialReadinessDelayMs: number;
}

export interface PodGroups {
  readonly readyCount: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  /** Being deleted, or failed. */
  readonly ignored: ReadonlySet<string>;
}

const ofPod = (pod: Pod): string => pod.metadata?.name ?? '';

/** Is the CPU sample of a pod not to be trusted? */
function isStarting(pod: Pod, sample: PodSample, { settings, nowMs }: { settings: ReadinessSettings; nowMs: number }): boolean {
  const ready = podCondition(pod, 'Ready');
  const startedMs = timeMs(pod.status?.startTime);
  if (!ready || startedMs === undefined) return true;
  const changedMs = timeMs(ready.lastTransitionTime) ?? 0;
  if (startedMs + settings.cpuInitializationMs > nowMs) return ready.status === 'False' || sample.timestampMs < changedMs + sample.windowMs;
  return ready.status === 'False' && startedMs + settings.initialReadinessDelayMs > changedMs;
}

/** Sorts pods by what their samples are worth, as upstream's groupPods. `resource` is empty for metrics that are none. */
export function groupPods(pods: readonly Pod[], samples: PodSamples, options: { resource: string; settings: ReadinessSettings; nowMs: number }): PodGroups {
  const unready = new Set<string>();
  const missing = new Set<string>();
  const ignored = new Set<string>();
  let readyCount = 0;
  for (const pod of pods) {
    const name = ofPod(pod);
    const sample = samples.get(name);
    if (pod.metadata?.deletionTimestamp || pod.status?.phase === 'Failed') ignored.add(name);
    else if (pod.status?.phase === 'Pending') unready.add(name);
    else if (!sample) missing.add(name);
    else if (options.resource === 'cpu' && isStarting(pod, sample, options)) unready.add(name);
    else readyCount++;
  }
  return { readyCount, unready, missing, ignored };
}

const longRunning = ({ spec }: Pod): readonly Container[] => [...(spec?.containers ?? []), ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')];

function podLevelRequest(pod: Pod, resource: string): number {
  const request = pod.spec?.resources?.requests?.[resource];
  if (request === undefined) throw new MetricError(`missing pod-level request for ${resource} in Pod ${ofPod(pod)}`);
  return quantityMilliValue(parseQuantity(request));
}

/** A container that is named counts alone; else what the pod itself requests, or all its containers together. */
function requestOf(pod: Pod, resource: string, container: string): number {
  if (container === '' && Object.keys(pod.spec?.resources?.requests ?? {}).length > 0) return podLevelRequest(pod, resource);
  const counted = longRunning(pod).filter(({ name }) => container === '' || name === container);
  if (container !== '' && counted.length === 0) throw new MetricError(`container ${container} not found in Pod ${ofPod(pod)}`);
  let total = 0;
  for (const { name, resources } of counted) {
    const request = resources?.requests?.[resource];
    if (request === undefined) throw new MetricError(`missing request for ${resource} in container ${name} of Pod ${ofPod(pod)}`);
    total += quantityMilliValue(parseQuantity(request));
  }
  return total;
}

/** What each pod (or that container of it) requests, in thousandths. Throws MetricError when one says nothing. */
export function podRequests(pods: readonly Pod[], resource: string, container: string): Map<string, number> {
  return new Map(pods.map((pod) => [ofPod(pod), requestOf(pod, resource, container)]));
}
