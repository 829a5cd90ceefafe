import { Pods } from '@orrery/api';
import type { Container, Pod } from '@orrery/api/types';
import type { EventRecorder } from '@orrery/client';
import type { Image, PodSandboxConfig } from '@orrery/proto/cri';
import type { Env } from '@orrery/runtime';
import type { PullCredentials } from './credentials.ts';
import { BackOff, goDuration } from '../pods/back-off.ts';
import { uidOf } from '../pods/pod-spec.ts';
import type { CriRuntime } from '../runtime/cri-runtime.ts';
import { PullGate } from './pull-gate.ts';
import type { PullRecords } from './pull-records.ts';

/** How long ErrImagePull is shown before ImagePullBackOff takes its place. */
const shownMs = 2_000;
/** When an image is looked for again that could not be, or was not there. */
const retryMs = 10_000;

/** Why a container cannot start, as `waiting.reason` and message. */
export class StartFault extends Error {
  readonly reason: string;
  /** Milliseconds until it is worth to try again; undefined leaves it to the sync's own back-off. */
  readonly retryMs: number | undefined;

  constructor(reason: string, message: string, retryMs?: number) {
    super(message);
    this.reason = reason;
    this.retryMs = retryMs;
  }
}

/** Names that were taken apart before: pods of one kind have the same. */
const tagged = new Map<string, string>();
const maxTagged = 1024;

/** Adds `:latest` to a name without tag or digest; undefined when it is no image name. */
export function withDefaultTag(image: string): string | undefined {
  const known = tagged.get(image);
  if (known) return known;
  const found = parsedTag(image);
  if (found) {
    if (tagged.size >= maxTagged) tagged.clear();
    tagged.set(image, found);
  }
  return found;
}

function parsedTag(image: string): string | undefined {
  const name = /^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?$/.exec(image);
  if (!name) return undefined;
  return name[1] ?? name[2] ? image : `${image}:latest`;
}

function pullPolicy(container: Container, image: string): string {
  if (container.imagePullPolicy) return container.imagePullPolicy;
  return image.endsWith(':latest') ? 'Always' : 'IfNotPresent';
}

export interface PullRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly fieldPath: string;
  readonly sandbox: PodSandboxConfig;
  /** What the pod's pull secrets hold for the image's registry, and which of them are not there. */
  credentials(image: string): Promise<PullCredentials>;
  readonly signal: AbortSignal;
}

export interface PresentImage {
  readonly ref: string;
  readonly image: Image | undefined;
}

/** Sees to it that images are there, by each container's pull policy, with back-off by pod and image. */
export class ImageManager {
  private readonly backOff = new BackOff();
  private readonly env: Env;
  private readonly runtime: CriRuntime;
  private readonly events: EventRecorder;
  private readonly deadlineMs: number;
  private readonly gate: PullGate;
  private readonly records: PullRecords;

  /** `parallel`: how many images are pulled at a time. */
  constructor(env: Env, options: { runtime: CriRuntime; events: EventRecorder; deadlineMs: number; parallel: number; records: PullRecords }) {
    this.records = options.records;
    this.env = env;
    this.runtime = options.runtime;
    this.events = options.events;
    this.deadlineMs = options.deadlineMs;
    this.gate = new PullGate(options.parallel);
  }

  /** Throws StartFault (InvalidImageName, ErrImageNeverPull, ErrImagePull, ImagePullBackOff, ImageInspectError). */
  async ensure(request: PullRequest): Promise<PresentImage> {
    const { container } = request;
    const name = container.image ?? '';
    const reference = withDefaultTag(name);
    if (!reference) {
      const message = `Failed to apply default image tag "${name}": couldn't parse image name "${name}": invalid reference format`;
      this.warn(request, 'InspectFailed', message);
      this.warn(request, 'Failed', 'Error: InvalidImageName');
      throw new StartFault('InvalidImageName', message);
    }
    const present = await this.inspect(request, reference);
    const policy = pullPolicy(container, reference);
    if (present && policy !== 'Always' && (this.records.isOpen(present.id ?? '') || (await this.mayUse(request, reference, present)))) {
      this.normal(request, 'Pulled', `Container image "${name}" already present on machine and can be accessed by the pod`);
      return { ref: present.id ?? reference, image: present };
    }
    if (policy === 'Never') {
      const message = `Container image "${name}" is not present with pull policy of Never`;
      this.warn(request, 'ErrImageNeverPull', message);
      this.warn(request, 'Failed', 'Error: ErrImageNeverPull');
      throw new StartFault('ErrImageNeverPull', message, retryMs);
    }
    return this.pull(request, reference);
  }

  private mayUse(request: PullRequest, reference: string, { id = '' }: Image): Promise<boolean> {
    return this.records.mayUse(reference, id, async () => (await request.credentials(reference)).found);
  }

  /** An image was removed from the node. */
  removed(id: string): Promise<void> {
    return this.records.removed(id);
  }

  /** Reads what earlier kubelets have kept of their pulls. */
  load(): Promise<void> {
    return this.records.load();
  }

  private async inspect(request: PullRequest, image: string): Promise<Image | undefined> {
    try {
      return (await this.runtime.clients.images.imageStatus({ image: { image } })).image;
    } catch (error) {
      const message = `Failed to inspect image "${image}": ${(error as Error).message}`;
      this.warn(request, 'InspectFailed', message);
      throw new StartFault('ImageInspectError', message, retryMs);
    }
  }

  private async pull(request: PullRequest, image: string): Promise<PresentImage> {
    const { pod, container } = request;
    const { clock } = this.env;
    const name = container.image ?? '';
    const key = `${uidOf(pod)}_${name}`;
    const failure = this.lastFailure.get(key);
    const waitMs = failure === undefined ? 0 : this.backOff.remainingMs(key, failure.atMs, clock.now());
    const shownForMs = failure ? clock.now() - failure.atMs : shownMs;
    if (failure && shownForMs < shownMs) throw new StartFault('ErrImagePull', failure.message, shownMs - shownForMs);
    if (failure && waitMs > 0) {
      this.normal(request, 'BackOff', `Back-off pulling image "${name}"`);
      this.warn(request, 'Failed', 'Error: ImagePullBackOff');
      throw new StartFault('ImagePullBackOff', `Back-off pulling image "${name}": ErrImagePull: ${failure.message}`, waitMs);
    }
    const { found: credentials, missing } = await request.credentials(image);
    if (missing.length) this.events.event(Pods, pod, { type: 'Warning', reason: 'FailedToRetrieveImagePullSecret', message: `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.` });
    this.normal(request, 'Pulling', `Pulling image "${name}"`);
    const startMs = clock.monotonic();
    try {
      const { pulled, tookMs } = await this.gate.run(async () => {
        request.signal.throwIfAborted();
        const beginMs = clock.monotonic();
        return { pulled: await this.tryCredentials(request, image, credentials), tookMs: Math.round(clock.monotonic() - beginMs) };
      });
      const wholeMs = Math.round(clock.monotonic() - startMs);
      this.lastFailure.delete(key);
      this.backOff.reset(key);
      const found = (await this.runtime.clients.images.imageStatus({ image: { image: pulled } })).image;
      this.normal(request, 'Pulled', `Successfully pulled image "${name}" in ${goDuration(tookMs)} (${goDuration(wholeMs)} including waiting). Image size: ${found?.size ?? 0n} bytes.`);
      return { ref: pulled, image: found };
    } catch (error) {
      if (request.signal.aborted) throw error;
      const message = (error as Error).message;
      this.warn(request, 'Failed', `Failed to pull image "${name}": ${message}`);
      this.backOff.next(key, clock.now());
      this.lastFailure.set(key, { atMs: clock.now(), message });
      this.warn(request, 'Failed', 'Error: ErrImagePull');
      throw new StartFault('ErrImagePull', message, shownMs);
    }
  }

  private readonly lastFailure = new Map<string, { atMs: number; message: string }>();

  private async tryCredentials(request: PullRequest, image: string, credentials: PullCredentials['found']): Promise<string> {
    const spec = { image, annotations: { ...request.pod.metadata?.annotations } };
    let refusal: unknown;
    for (const one of credentials.length ? credentials : [undefined]) {
      try {
        const options = { timeoutMs: this.deadlineMs, signal: request.signal };
        const { imageRef = '' } = await this.runtime.clients.images.pullImage({ image: spec, sandboxConfig: request.sandbox, ...(one ? { auth: one.auth } : {}) }, options);
        await this.records.note(image, imageRef || image, one?.source);
        return imageRef || image;
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  }

  /** Forgets the failures of a pod that is gone. */
  forget(uid: string): void {
    for (const key of this.lastFailure.keys()) {
      if (!key.startsWith(`${uid}_`)) continue;
      this.lastFailure.delete(key);
      this.backOff.reset(key);
    }
  }

  private normal({ pod, fieldPath }: PullRequest, reason: string, message: string): void {
    this.events.event(Pods, pod, { type: 'Normal', reason, message, fieldPath });
  }

  private warn({ pod, fieldPath }: PullRequest, reason: string, message: string): void {
    this.events.event(Pods, pod, { type: 'Warning', reason, message, fieldPath });
  }
}
