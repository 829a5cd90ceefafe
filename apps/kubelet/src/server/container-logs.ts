import type { ContainerStatus } from '@orrery/api/types';
import type { HttpRequest, HttpResponse } from '@orrery/node-io';
import type { Kubelet } from '../component.ts';
import { timeNs } from '../logs/cri-log.ts';
import { type LogOptions, readLogs } from '../logs/read-logs.ts';
import { allContainers } from '../pods/pod-spec.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { bareContainerId } from '../runtime/pod-runtime.ts';
import type { Page } from './node-pages.ts';
import { HttpFault } from './reply.ts';

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new HttpFault(422, `{"message": "Invalid request."}`);
  return value;
}

function logOptions(query: URLSearchParams, nowMs: number): LogOptions & { previous: boolean } {
  const flag = (name: string): boolean => ['true', '1', ''].includes(query.get(name) ?? 'false');
  const sinceSeconds = numberOf(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') || undefined;
  const parsed = sinceTime === undefined ? undefined : timeNs(sinceTime);
  if (sinceTime !== undefined && parsed === undefined) throw new HttpFault(400, `unable to decode query.`);
  const stream = { Stdout: 'stdout', Stderr: 'stderr' }[query.get('stream') ?? ''] as LogOptions['stream'];
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    tailLines: numberOf(query, 'tailLines'),
    limitBytes: numberOf(query, 'limitBytes'),
    sinceNs: sinceSeconds === undefined ? parsed : BigInt(Math.floor(nowMs) - sinceSeconds * 1000) * 1_000_000n,
    stream,
  };
}

/** Id of the instance whose log is asked for; refusals are worded as upstream's. */
function instanceId(status: ContainerStatus | undefined, names: { pod: string; container: string }, previous: boolean): string {
  const subject = `container "${names.container}" in pod "${names.pod}"`;
  if (!status) throw new HttpFault(400, `${subject} is not available`);
  const last = status.lastState?.terminated?.containerID;
  if (previous) {
    if (!last) throw new HttpFault(400, `previous terminated ${subject} not found`);
    return bareContainerId(last);
  }
  const { waiting } = status.state ?? {};
  if (waiting && !last) {
    const why = { ErrImagePull: "image can't be pulled", ImagePullBackOff: 'trying and failing to pull image' }[waiting.reason ?? ''] ?? waiting.reason;
    throw new HttpFault(400, `${subject} is waiting to start: ${why}`);
  }
  return bareContainerId((waiting ? last : status.containerID) ?? '');
}

function statusOf(kubelet: Kubelet, worker: PodWorker, container: string): ContainerStatus | undefined {
  const status = kubelet.context.statuses.get(worker.uid) ?? worker.pod.status;
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])];
  return all.find(({ name }) => name === container);
}

export interface LogRequest extends Pick<Page, 'find'> {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly query: URLSearchParams;
}

/** GET /containerLogs/{namespace}/{pod}/{container} */
export async function serveContainerLogs({ find, namespace, pod, container, query }: LogRequest, request: HttpRequest, response: HttpResponse): Promise<void> {
  const { kubelet, worker } = find({ namespace, pod }, `pod "${pod}" does not exist`);
  const { env, logs } = kubelet.context;
  if (!allContainers(worker.pod).some((place) => place.container.name === container)) throw new HttpFault(404, `container "${container}" not found in pod "${pod}"`);
  const options = logOptions(query, env.clock.now());
  const id = instanceId(statusOf(kubelet, worker, container), { pod, container }, options.previous);
  const instance = (): { state: string; logPath: string } | undefined => worker.runtime.containers.find((one) => one.id === id);
  const path = instance()?.logPath;
  if (!path) throw new HttpFault(400, `unable to retrieve container logs for ${kubelet.context.runtimeName()}://${id}`);
  const context = { running: () => instance()?.state === 'running', onChange: (changed: () => void) => worker.onRuntimeChange(changed), signal: request.signal };
  const sink = response.stream(200, { 'content-type': 'text/plain' });
  try {
    for await (const bytes of readLogs(logs, path, { ...options, context })) if (!sink.write(bytes)) await sink.drained();
  } catch (error) {
    env.log.warn('a log could not be read to its end', { pod, container, error: (error as Error).message });
  } finally {
    sink.end();
  }
}
