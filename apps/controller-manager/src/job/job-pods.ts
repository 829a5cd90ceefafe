import { Jobs } from '@orrery/api';
import type { EnvVar, Job, Pod, PodTemplateSpec } from '@orrery/api/types';
import { podFromTemplate } from '../pods/pod-control.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';

const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const ignoredCountAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';

/** Failures of one index; those that the failure policy ignores count for the back-off alone. */
export interface IndexFailures {
  readonly counted: number;
  readonly ignored: number;
}

/** A pod to create. */
export interface PodSlot {
  /** Of an indexed Job. */
  readonly index?: number;
  /** Of the index before this pod. */
  readonly failures?: IndexFailures;
}

/** The failures of its index that a pod was created with. */
export function failuresBefore(pod: Pod): IndexFailures {
  const read = (name: string): number => Number(pod.metadata?.annotations?.[name] ?? 0) || 0;
  return { counted: read(failureCountAnnotation), ignored: read(ignoredCountAnnotation) };
}

export const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

export function isTracked(pod: Pod): boolean {
  return pod.metadata?.finalizers?.includes(trackingFinalizer) ?? false;
}

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

/** The completion index of a pod, or undefined when it has none within the Job. */
export function indexOf(pod: Pod, job: Job): number | undefined {
  const text = pod.metadata?.annotations?.[indexAnnotation] ?? pod.metadata?.labels?.[indexAnnotation];
  const index = text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  return index !== undefined && index < (job.spec?.completions ?? 0) ? index : undefined;
}

/** Has failed, or counts as failed because something deleted it before its end. */
export function isFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (job.spec?.podReplacementPolicy === 'Failed') return false;
  return pod.metadata?.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

/** When a pod ended: the last of its containers, else its deletion. */
export function finishedMs(pod: Pod, nowMs: number): number {
  const ends = (pod.status?.containerStatuses ?? []).map((status) => Date.parse(status.state?.terminated?.finishedAt ?? ''));
  const known = ends.filter((ms) => !Number.isNaN(ms));
  if (known.length) return Math.max(...known);
  return pod.metadata?.deletionTimestamp ? Math.min(nowMs, Date.parse(pod.metadata.deletionTimestamp)) : nowMs;
}

const indexVariable: EnvVar = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexAnnotation}']` } } };

function withIndexVariable<C extends { env?: EnvVar[] }>(containers: readonly C[]): C[] {
  return containers.map((container) => (container.env?.some(({ name }) => name === indexVariable.name) ? container : { ...container, env: [...(container.env ?? []), indexVariable] }));
}

function failureAnnotations(job: Job, failures: IndexFailures = { counted: 0, ignored: 0 }): Record<string, string> {
  if (job.spec?.backoffLimitPerIndex === undefined) return {};
  return { [failureCountAnnotation]: String(failures.counted), ...(failures.ignored ? { [ignoredCountAnnotation]: String(failures.ignored) } : {}) };
}

/** A pod of the Job, for one completion index if it is indexed. */
export function newJobPod(job: Job, { index, failures }: PodSlot): Pod {
  const template = job.spec?.template as PodTemplateSpec;
  const pod = podFromTemplate(template, Jobs, job);
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata?.finalizers ?? []), trackingFinalizer] };
  if (index === undefined || !pod.spec) return { ...pod, metadata };
  const { name = '' } = job.metadata ?? {};
  const { initContainers, containers } = pod.spec;
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${name}-${index}-`,
      labels: { ...metadata.labels, [indexAnnotation]: String(index) },
      annotations: { ...metadata.annotations, [indexAnnotation]: String(index), ...failureAnnotations(job, failures) },
    },
    spec: {
      ...pod.spec,
      hostname: pod.spec.hostname ?? `${name}-${index}`,
      containers: withIndexVariable(containers),
      ...(initContainers ? { initContainers: withIndexVariable(initContainers) } : {}),
    },
  };
}
