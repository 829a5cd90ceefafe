import { Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { StatusError, isAlreadyExists, isNotFound } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import { uidOf } from '../pods/pod-spec.ts';
import { hashAnnotation, mirrorAnnotation } from './manifest.ts';

const retryMs = 5_000;

/** `namespace/name` */
export const fullName = ({ metadata = {} }: Pod): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
export const isMirror = (pod: Pod): boolean => pod.metadata?.annotations?.[mirrorAnnotation] !== undefined;

/** What the API server is shown of a static pod. */
function mirrorOf(pod: Pod, node: Node): Pod {
  const { metadata = {}, spec } = pod;
  const { uid: _own, ...rest } = metadata;
  const { name = '', uid = '' } = node.metadata ?? {};
  const annotations = { ...metadata.annotations, [mirrorAnnotation]: metadata.annotations?.[hashAnnotation] ?? '' };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...rest, annotations, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid, controller: true }] }, ...(spec ? { spec } : {}) };
}

export interface MirrorPodsOptions {
  readonly api: ApiClient;
  readonly node: () => Node;
  /** The static pods there are. */
  readonly statics: () => Iterable<Pod>;
  /** A static pod has its mirror, or the mirror is in a new state. */
  readonly mirrored: (staticUid: string) => void;
}

/**
 * Keeps one pod in the API server for each static pod, so that it can be seen there. Whoever deletes or changes a mirror
 * gets it back; one without its static pod is removed.
 */
export class MirrorPods {
  private readonly env: Env;
  private readonly options: MirrorPodsOptions;
  private readonly mirrors = new Map<string, Pod>();
  private retry: Timer | undefined;
  private running = false;
  private again = false;
  private started = false;

  constructor(env: Env, options: MirrorPodsOptions) {
    this.env = env;
    this.options = options;
  }

  /** All mirrors that the API server had are known: from now on they are put right. */
  start(): void {
    this.started = true;
    this.reconcile();
  }

  stop(): void {
    this.started = false;
    this.retry?.cancel();
  }

  observe(pod: Pod): void {
    const key = fullName(pod);
    const known = this.mirrors.get(key);
    this.mirrors.set(key, pod);
    const own = this.staticOf(key);
    if (own && this.matches(pod, own)) this.options.mirrored(uidOf(own));
    if (!known || uidOf(known) !== uidOf(pod) || pod.metadata?.deletionTimestamp || !own || !this.matches(pod, own)) this.reconcile();
  }

  remove(pod: Pod): void {
    const key = fullName(pod);
    if (uidOf(this.mirrors.get(key) ?? {}) !== uidOf(pod)) return;
    this.mirrors.delete(key);
    this.reconcile();
  }

  /** The mirror of a static pod, if there is one that is up to date. */
  of(pod: Pod): Pod | undefined {
    const mirror = this.mirrors.get(fullName(pod));
    return mirror && this.matches(mirror, pod) ? mirror : undefined;
  }

  /** Puts every mirror right. What fails is tried again. */
  reconcile(): void {
    if (!this.started) return;
    this.again = this.running;
    if (this.running) return;
    this.running = true;
    void this.run();
  }

  private async run(): Promise<void> {
    this.retry?.cancel();
    try {
      for (const mirror of [...this.mirrors.values()]) await this.dropUnwanted(mirror);
      for (const pod of [...this.options.statics()]) if (!this.mirrors.has(fullName(pod))) await this.create(pod);
    } catch (error) {
      this.env.log.warn('a mirror pod is not right', { error: (error as Error).message, retryMs });
      this.retry = this.env.clock.after(retryMs, () => this.reconcile());
    }
    this.running = false;
    if (this.again) this.reconcile();
  }

  private staticOf(key: string): Pod | undefined {
    for (const pod of this.options.statics()) if (fullName(pod) === key) return pod;
    return undefined;
  }

  private matches(mirror: Pod, pod: Pod): boolean {
    return mirror.metadata?.deletionTimestamp === undefined && mirror.metadata?.annotations?.[mirrorAnnotation] === pod.metadata?.annotations?.[hashAnnotation];
  }

  private async dropUnwanted(mirror: Pod): Promise<void> {
    const key = fullName(mirror);
    const own = this.staticOf(key);
    if (own && this.matches(mirror, own)) return;
    const { namespace = '', name = '' } = mirror.metadata ?? {};
    try {
      await this.options.api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid: uidOf(mirror) } });
    } catch (error) {
      if (!isNotFound(error) && !(error instanceof StatusError && error.code === 409)) throw error;
    }
    if (this.mirrors.get(key) === mirror) this.mirrors.delete(key);
  }

  private async create(pod: Pod): Promise<void> {
    try {
      this.observe(await this.options.api.create(Pods, mirrorOf(pod, this.options.node())));
    } catch (error) {
      // What has the name is not ours, or the feed has not shown it yet.
      if (!isAlreadyExists(error)) throw error;
      const { namespace = '', name = '' } = pod.metadata ?? {};
      const other = await this.options.api.get(Pods, { namespace, name });
      if (isMirror(other)) this.observe(other);
    }
  }
}
