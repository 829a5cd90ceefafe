import { Pods } from '@orrery/api';
import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import type { Container, EphemeralContainer, LifecycleHandler, Pod, Service } from '@orrery/api/types';
import { containerLogName, containerLogsDir } from '@orrery/cri';
import type { ContainerConfig, PodSandboxConfig } from '@orrery/proto/cri';
import { parseGoDuration } from '@orrery/runtime';
import { usesClaims } from '../claims/pod-claims.ts';
import { noGifts } from '../devices/device-manager.ts';
import { ConfigFault, type EnvironmentSources, buildEnvironment } from '../env/environment.ts';
import { serviceEnvironment } from '../env/service-env.ts';
import { pullCredentials } from '../images/credentials.ts';
import { type PresentImage, StartFault } from '../images/image-manager.ts';
import type { KubeletContext } from '../kubelet-context.ts';
import { containerConfig } from '../runtime/container-config.ts';
import { containerHash } from '../runtime/labels.ts';
import { type PodRuntime, type RuntimeContainer, latestContainer } from '../runtime/pod-runtime.ts';
import { verifyNonRoot } from '../runtime/security.ts';
import { containerDevices, containerMounts } from '../volumes/container-mounts.ts';
import type { MountedVolume } from '../volumes/volume-manager.ts';
import { type BackOff, goDuration } from './back-off.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { HeldObjects } from './pod-objects.ts';
import { type ContainerPlace, describePod, graceSeconds, namespaceOf, uidOf } from './pod-spec.ts';

export interface StartInput {
  readonly context: KubeletContext;
  readonly pod: Pod;
  readonly place: ContainerPlace;
  readonly sandboxId: string;
  readonly sandboxConfig: PodSandboxConfig;
  readonly podIps: readonly string[];
  readonly runtime: PodRuntime;
  readonly volumes: ReadonlyMap<string, MountedVolume>;
  readonly objects: HeldObjects;
  readonly backOff: BackOff;
  readonly signal: AbortSignal;
  /** Told of the new instance before it starts. */
  readonly created: (containerId: string) => void;
}

/** How long a start that failed for other reasons than a crash waits for the next try. */
const retryMs = 10_000;

function record({ context, pod, place }: StartInput, type: 'Normal' | 'Warning', event: { reason: string; message: string }): void {
  context.events.event(Pods, pod, { type, ...event, fieldPath: place.fieldPath });
}

/** Throws CrashLoopBackOff while a container that ended has to wait; otherwise counts this start. */
function applyBackOff(input: StartInput): void {
  const { context, pod, place, runtime, backOff } = input;
  const last = latestContainer(runtime, place.container.name);
  if (last?.state !== 'exited') return;
  const nowMs = context.env.clock.now();
  const key = `${place.container.name}_${containerHash(place.container)}`;
  const waitMs = backOff.remainingMs(key, last.finishedMs, nowMs);
  if (waitMs === 0) {
    backOff.next(key, nowMs);
    return;
  }
  record(input, 'Warning', { reason: 'BackOff', message: `Back-off restarting failed container ${place.container.name} in pod ${describePod(pod)}` });
  const message = `back-off ${goDuration(backOff.delayMs(key))} restarting failed container=${place.container.name} pod=${describePod(pod)}`;
  throw new StartFault('CrashLoopBackOff', message, waitMs);
}

function servicesFor({ context, pod }: StartInput): Service[] {
  const { services } = context.sources;
  const master = services.get('default/kubernetes');
  const told = (pod.spec?.enableServiceLinks ?? true) && context.config.enableServiceLinks ? [...services.byIndex('namespace', namespaceOf(pod))] : [];
  if (master && !told.includes(master)) told.push(master);
  return told;
}

/** An env file is read whole; upstream reads no larger one either. */
const maxEnvFileBytes = 64 * 1024;

async function volumeFile({ context, volumes }: StartInput, volumeName: string, path: string): Promise<string | undefined> {
  const { host } = context;
  const base = await host.resolve(volumes.get(volumeName)?.hostPath ?? '');
  const found = base && (await host.resolve(`${base.path}/${path}`));
  if (!found || !found.path.startsWith(`${base.path}/`)) return undefined;
  const bytes = await host.readFile(found.path, maxEnvFileBytes + 1);
  if (bytes && bytes.length > maxEnvFileBytes) throw new ConfigFault(`couldn't parse env file: file "${path}" is larger than ${maxEnvFileBytes} bytes`);
  return bytes && Buffer.from(bytes).toString('utf8');
}

function environmentSources(input: StartInput): EnvironmentSources {
  const { context, objects, podIps } = input;
  return {
    podIps,
    hostIps: context.hostIps(),
    allocatable: context.node().status?.allocatable ?? {},
    configMap: (name) => objects.configMap(name),
    secret: (name) => objects.secret(name),
    file: (volumeName, path) => volumeFile(input, volumeName, path),
    services: () => servicesFor(input),
  };
}

/** Where the termination message of one instance of a container goes. */
function terminationLogPath(input: StartInput, restartCount: number): string {
  const { context, pod, place } = input;
  return `${context.volumes.podDir(uidOf(pod))}/containers/${place.container.name}/${restartCount}-${context.env.random.name(8)}`;
}

const noImages: ReadonlyMap<string, string> = new Map();

/** The images that a container mounts as volumes, pulled, by the names of the volumes. */
async function volumeImages({ place: { container }, volumes }: StartInput, ensure: (wanted: Container) => Promise<PresentImage>): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const { name } of container.volumeMounts ?? []) {
    const image = volumes.get(name)?.image;
    if (!image || refs.has(name)) continue;
    const { ref } = await ensure({ name: container.name, image: image.reference, ...(image.pullPolicy ? { imagePullPolicy: image.pullPolicy } : {}) });
    refs.set(name, ref);
  }
  return refs;
}

/** The container that one for debugging looks into. */
function targetOf({ place: { container }, runtime }: StartInput): string | undefined {
  const { targetContainerName } = container as EphemeralContainer;
  if (!targetContainerName) return undefined;
  const target = latestContainer(runtime, targetContainerName);
  if (!target) throw new ConfigFault(`unable to find target container ${targetContainerName}`);
  return target.id;
}

/** Nodes of a process are mostly alike. */
let memory = { text: '', bytes: 0 };

function bytesOf(text: string): number {
  if (memory.text !== text) memory = { text, bytes: quantityValue(parseQuantity(text)) };
  return memory.bytes;
}

async function prepare(input: StartInput, restartCount: number): Promise<ReturnType<typeof containerConfig>> {
  const { context, pod, place, sandboxConfig, volumes, objects, signal } = input;
  const { container, fieldPath } = place;
  const credentials = (image: string) => pullCredentials(pod, image, (name) => objects.secret(name));
  const ensure = (wanted: Container) => context.images.ensure({ pod, container: wanted, fieldPath, sandbox: sandboxConfig, credentials, signal });
  const { ref, image } = await ensure(container);
  const images = container.volumeMounts?.some(({ name }) => volumes.get(name)?.image) ? await volumeImages(input, ensure) : noImages;
  try {
    const ownEnvironment = container.env?.length || container.envFrom?.length ? await buildEnvironment(pod, container, environmentSources(input)) : serviceEnvironment(servicesFor(input));
    verifyNonRoot(pod, container, image);
    const mounts = await containerMounts({
      pod,
      container,
      volumes,
      images,
      environment: ownEnvironment,
      host: context.host,
      podDir: context.volumes.podDir(uidOf(pod)),
      terminationLog: terminationLogPath(input, restartCount),
      recursiveReadOnly: context.recursiveReadOnly(),
    });
    const gifts = context.devices?.has(pod, container.name) ? await context.devices.prepare(pod, container.name) : noGifts;
    const environment = gifts === noGifts ? ownEnvironment : new Map([...ownEnvironment, ...Object.entries(gifts.environment)]);
    const devices = [...containerDevices(container, volumes), ...gifts.devices];
    const made = containerConfig({ pod, container, restartCount, imageRef: ref, image, environment, mounts: [...mounts, ...gifts.mounts], devices, memoryCapacity: bytesOf(context.config.memory), targetId: targetOf(input), usernsOptions: sandboxConfig.linux?.securityContext?.namespaceOptions?.usernsOptions });
    const claimed = usesClaims(pod) ? context.claims.devicesOf(pod, container) : [];
    if (gifts === noGifts && claimed.length === 0) return made;
    return { ...made, annotations: { ...made.annotations, ...gifts.annotations }, CDIDevices: [...gifts.cdi, ...claimed].map((name) => ({ name })) };
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof ConfigFault)) context.env.log.debug('container cannot be made', { container: container.name, error });
    record(input, 'Warning', { reason: 'Failed', message: `Error: ${message}` });
    throw new StartFault('CreateContainerConfigError', message, retryMs);
  }
}

/** What becomes of the failure of a step of the runtime: the container's waiting reason, and an event. */
function stepFault(input: StartInput, reason: string, error: unknown): StartFault {
  input.signal.throwIfAborted();
  const { message } = error as Error;
  record(input, 'Warning', { reason: 'Failed', message: `Error: ${message}` });
  return new StartFault(reason, message, retryMs);
}

async function runPostStart(input: StartInput, hook: LifecycleHandler, containerId: string): Promise<void> {
  const { context, pod, place, podIps, signal } = input;
  try {
    await runHook(context, hook, { pod, container: place.container, containerId, podIp: podIps[0] ?? '' });
  } catch (error) {
    signal.throwIfAborted();
    record(input, 'Warning', { reason: 'FailedPostStartHook', message: 'PostStartHook failed' });
    record(input, 'Normal', { reason: 'Killing', message: 'FailedPostStartHook' });
    await context.runtime.stopContainer(containerId, Math.max(2, graceSeconds(pod)), signal);
    throw new StartFault('PostStartHookError', (error as Error).message);
  }
}

/** Takes ended instances from the runtime, with their logs and messages. */
export async function removeInstances(context: KubeletContext, instances: Iterable<RuntimeContainer>): Promise<void> {
  for (const { id, logPath, terminationLog, lost } of instances) {
    if (lost) continue;
    await context.runtime.removeContainer(id);
    if (logPath) await context.logs.remove(logPath);
    if (logPath) await context.logs.unlink?.(containerLogsDir, logPath);
    if (terminationLog) await context.host.remove(terminationLog);
  }
}

/** Instances older than the newest few that have ended (`--maximum-dead-containers-per-container`) have served their time. */
async function pruneInstances({ context, runtime, place }: StartInput): Promise<void> {
  const { maximumDeadContainersPerContainer: most, minimumContainerTtlDuration } = context.config;
  const bornBeforeMs = context.env.clock.now() - parseGoDuration(minimumContainerTtlDuration);
  const dead = runtime.containers.filter(({ name, state, lost }) => name === place.container.name && (state === 'exited' || state === 'created') && !lost);
  await removeInstances(context, dead.slice(most).filter(({ createdMs }) => createdMs <= bornBeforeMs));
}

/** Puts the log where collectors look for those of all containers; without that the container runs as well. */
async function linkLog({ context, sandboxConfig }: StartInput, id: string, { logPath = '' }: ContainerConfig): Promise<void> {
  const log = `${sandboxConfig.logDirectory ?? ''}/${logPath}`;
  const name = containerLogName(log, id);
  if (name === undefined) return;
  await context.logs.link?.(`${containerLogsDir}/${name}`, log).catch((error: unknown) => context.env.log.warn('a log has no link', { log, error: (error as Error).message }));
}

/** Makes and starts a container in its sandbox, image pull and postStart hook included. Throws StartFault when it cannot. */
export async function startContainer(input: StartInput): Promise<void> {
  const { context, place, sandboxId, sandboxConfig, runtime } = input;
  applyBackOff(input);
  const last = latestContainer(runtime, place.container.name);
  const restartCount = last ? last.restartCount + 1 : 0;
  const config = await prepare(input, restartCount);
  let id: string;
  try {
    id = await context.runtime.createContainer(sandboxId, config, sandboxConfig);
  } catch (error) {
    throw stepFault(input, 'CreateContainerError', error);
  }
  input.created(id);
  record(input, 'Normal', { reason: 'Created', message: 'Container created' });
  try {
    await context.runtime.startContainer(id);
  } catch (error) {
    throw stepFault(input, 'RunContainerError', error);
  }
  record(input, 'Normal', { reason: 'Started', message: 'Container started' });
  if (context.logs.link) await linkLog(input, id, config);
  if (last && context.config.maximumDeadContainersPerContainer >= 0) await pruneInstances(input);
  const hook = place.container.lifecycle?.postStart;
  if (hook) await runPostStart(input, hook, id);
}
