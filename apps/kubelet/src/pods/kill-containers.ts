import { Pods } from '@orrery/api';
import type { Container, Pod } from '@orrery/api/types';
import type { KubeletContext } from '../kubelet-context.ts';
import type { PodRuntime, RuntimeContainer } from '../runtime/pod-runtime.ts';
import { runHook } from './lifecycle-hooks.ts';
import { isSidecar, placeOfContainer } from './pod-spec.ts';

/** Containers always get at least this long to end. */
const minimumGraceSeconds = 2;

export interface KillOptions {
  readonly pod: Pod;
  readonly graceSeconds: number;
  /** Ends the wait, for instance because the grace period was shortened. */
  readonly signal: AbortSignal;
  /** The containers are ended without their preStop hooks. */
  readonly withoutHooks?: boolean;
}

export interface KillReason {
  readonly message: string;
}

/** Runs the preStop hook, at most for the grace period, and returns the seconds it took. */
async function runPreStop(context: KubeletContext, container: RuntimeContainer, spec: Container, options: KillOptions): Promise<number> {
  const hook = spec.lifecycle?.preStop;
  if (!hook || options.withoutHooks || options.graceSeconds <= 0) return 0;
  const { clock } = context.env;
  const startMs = clock.monotonic();
  const podIp = options.pod.status?.podIP ?? '';
  const fieldPath = placeOfContainer(options.pod, spec.name)?.fieldPath;
  const ran = runHook(context, hook, { pod: options.pod, container: spec, containerId: container.id, podIp }).catch(() => {
    context.events.event(Pods, options.pod, { type: 'Warning', reason: 'FailedPreStopHook', message: 'PreStopHook failed', ...(fieldPath ? { fieldPath } : {}) });
  });
  const limit = new AbortController();
  const stop = (): void => limit.abort(new Error('done'));
  options.signal.addEventListener('abort', stop, { once: true });
  await Promise.race([ran, clock.sleep(options.graceSeconds * 1000, limit.signal).catch(() => undefined)]);
  options.signal.removeEventListener('abort', stop);
  stop();
  options.signal.throwIfAborted();
  return Math.floor((clock.monotonic() - startMs) / 1000);
}

/** Ends one container: preStop, SIGTERM, and SIGKILL when the grace period is over. Resolves when it has ended. */
export async function killContainer(context: KubeletContext, container: RuntimeContainer, options: KillOptions & { reason?: KillReason }): Promise<void> {
  const place = placeOfContainer(options.pod, container.name);
  const message = options.reason?.message ?? `Stopping container ${container.name}`;
  context.events.event(Pods, options.pod, { type: 'Normal', reason: 'Killing', message, ...(place ? { fieldPath: place.fieldPath } : {}) });
  const spent = place ? await runPreStop(context, container, place.container, options) : 0;
  const grace = options.graceSeconds === 0 ? 0 : Math.max(minimumGraceSeconds, options.graceSeconds - spent);
  await context.runtime.stopContainer(container.id, grace, options.signal);
}

/** Ends all running containers of a pod: first the main ones together, then the sidecars, last started first. */
export async function killAllContainers(context: KubeletContext, runtime: PodRuntime, options: KillOptions): Promise<void> {
  const running = runtime.containers.filter(({ state }) => state === 'running' || state === 'unknown');
  const sidecarNames = (options.pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const startMs = context.env.clock.monotonic();
  await Promise.all(running.filter(({ name }) => !sidecarNames.includes(name)).map((container) => killContainer(context, container, options)));
  for (const name of sidecarNames.toReversed()) {
    const spent = Math.floor((context.env.clock.monotonic() - startMs) / 1000);
    const graceSeconds = options.graceSeconds === 0 ? 0 : Math.max(minimumGraceSeconds, options.graceSeconds - spent);
    for (const container of running.filter((one) => one.name === name)) await killContainer(context, container, { ...options, graceSeconds });
  }
}
