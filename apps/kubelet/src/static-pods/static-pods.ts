import type { Pod } from '@orrery/api/types';
import type { ManifestReader } from '@orrery/cri';
import { type Env, type Timer, parseGoDuration } from '@orrery/runtime';
import type { KubeletConfig } from '../config.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { type ManifestContext, decodeManifest } from './manifest.ts';

/** The text at a URL. Throws when there is none. */
export type FetchManifest = (url: string, headers: Readonly<Record<string, string>>) => Promise<string>;

export interface StaticPodsOptions {
  readonly config: KubeletConfig;
  readonly nodeName: string;
  readonly manifests: ManifestReader | undefined;
  readonly fetchManifest: FetchManifest | undefined;
  /** Runs the pod. */
  readonly add: (pod: Pod) => void;
  /** Ends it. */
  readonly remove: (pod: Pod) => void;
  /** The uid of a pod of that name that is on the node, or was and still ends there. */
  readonly holder: (pod: Pod) => string | undefined;
  /** What there is has changed. */
  readonly changed: () => void;
}

/** How long a directory has to be quiet after a change before it is read. */
const settleMs = 100;

interface Place {
  /** What was read last, and the pods that it came to. */
  readonly text: string;
  readonly pods: readonly Pod[];
}

/**
 * Pods that the node runs because of files in a directory, or of what a URL says. A manifest that changes makes a new pod
 * of the same name, which begins when the old one has ended.
 */
export class StaticPods {
  private readonly env: Env;
  private readonly options: StaticPodsOptions;
  private places = new Map<string, Place>();
  /** By uid. */
  private readonly pods = new Map<string, Pod>();
  /** Those that wait for one of the same name to end; by uid. */
  private readonly waiting = new Map<string, { readonly pod: Pod; readonly after: string }>();
  private readonly timers: Timer[] = [];
  private unwatch: (() => void) | undefined;
  private reading: Promise<void> = Promise.resolve();
  private soonTimer: Timer | undefined;
  private isStopped = false;

  constructor(env: Env, options: StaticPodsOptions) {
    this.env = env;
    this.options = options;
  }

  list(): Iterable<Pod> {
    return this.pods.values();
  }

  /** Reads everything once, then whenever it changes and at each interval. */
  async start(): Promise<void> {
    const { config, manifests, fetchManifest } = this.options;
    const { podManifestPath, fileCheckFrequency, manifestUrl, httpCheckFrequency } = config;
    if (podManifestPath && manifests) {
      await this.look();
      this.timers.push(this.env.clock.every(parseGoDuration(fileCheckFrequency), () => void this.look()));
    }
    if (manifestUrl && fetchManifest) {
      await this.ask();
      this.timers.push(this.env.clock.every(parseGoDuration(httpCheckFrequency), () => void this.ask()));
    }
  }

  stop(): void {
    this.isStopped = true;
    this.unwatch?.();
    this.soonTimer?.cancel();
    for (const timer of this.timers) timer.cancel();
  }

  /** A pod has left the node: one that waited for it begins. */
  gone(uid: string): void {
    for (const [next, { pod, after }] of [...this.waiting]) {
      if (after !== uid) continue;
      this.waiting.delete(next);
      this.options.add(pod);
    }
  }

  private look(): Promise<void> {
    const { podManifestPath: path } = this.options.config;
    const { manifests } = this.options;
    return this.inTurn('file:', async () => {
      this.unwatch?.();
      // Watched before it is read: no change is lost in between. A change often comes in several steps.
      this.unwatch = manifests?.watch(path, () => this.soon());
      return ((await manifests?.list(path)) ?? []).map(({ name, text }) => ({ key: `file:${name}`, text, place: `${path}/${name}`, source: 'file' as const }));
    });
  }

  private soon(): void {
    if (this.isStopped) return;
    this.soonTimer?.cancel();
    this.soonTimer = this.env.clock.after(settleMs, () => void this.look());
  }

  private ask(): Promise<void> {
    const { manifestUrl: url, manifestUrlHeader } = this.options.config;
    const headers = Object.fromEntries(manifestUrlHeader.map((entry) => [entry.slice(0, entry.indexOf(':')), entry.slice(entry.indexOf(':') + 1).trim()]));
    return this.inTurn('http:', async () => [{ key: 'http:', text: (await this.options.fetchManifest?.(url, headers)) ?? '', place: url, source: 'http' as const }]);
  }

  /** One at a time; what cannot be read now leaves everything as it is. */
  private inTurn(prefix: string, read: () => Promise<(Pick<ManifestContext, 'place' | 'source'> & { key: string; text: string })[]>): Promise<void> {
    this.reading = this.reading.then(async () => {
      try {
        const found = await read();
        if (this.isStopped) return;
        const next = new Map([...this.places].filter(([key]) => !key.startsWith(prefix)));
        for (const { key, text, place, source } of found) next.set(key, this.decoded(text, { key, place, source }));
        this.places = next;
        this.apply();
      } catch (error) {
        this.env.log.warn('manifests of static pods cannot be read', { node: this.options.nodeName, error: (error as Error).message });
      }
    });
    return this.reading;
  }

  private decoded(text: string, { key, place, source }: { key: string; place: string; source: 'file' | 'http' }): Place {
    const known = this.places.get(key);
    if (known?.text === text) return known;
    try {
      return { text, pods: decodeManifest(text, { nodeName: this.options.nodeName, place, source, nowMs: this.env.clock.now() }) };
    } catch (error) {
      this.env.log.error('a manifest of a static pod is not right', { place, error: (error as Error).message });
      return { text, pods: [] };
    }
  }

  private apply(): void {
    const wanted = new Map([...this.places.values()].flatMap(({ pods }) => pods).map((pod) => [uidOf(pod), pod]));
    const old = [...this.pods.values()];
    const removed = old.filter((pod) => wanted.get(uidOf(pod)) !== pod);
    const added = [...wanted.values()].filter((pod) => this.pods.get(uidOf(pod)) !== pod);
    if (removed.length === 0 && added.length === 0) return;
    for (const pod of removed) {
      this.pods.delete(uidOf(pod));
      if (!this.waiting.delete(uidOf(pod))) this.options.remove(pod);
    }
    for (const pod of added) {
      this.pods.set(uidOf(pod), pod);
      const after = this.options.holder(pod);
      if (after) this.waiting.set(uidOf(pod), { pod, after });
      else this.options.add(pod);
    }
    this.options.changed();
  }
}
