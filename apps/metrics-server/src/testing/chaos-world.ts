import { ConfigMaps, Nodes, Pods } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import type { HttpClient } from '@orrery/client';
import { type FakeApi, type FaultedApi, createFakeApi, createFaultedApi } from '@orrery/client/testing';
import type { HttpHandler, HttpRequest } from '@orrery/node-io/http-server';
import { type Random, VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { type MetricsServer, createMetricsServer, metricsServerSchema } from '../component.ts';
import { frontProxy } from './front-proxy.ts';

type KubeletResponse = Awaited<ReturnType<HttpClient['request']>>;

/** What may be wrong with a kubelet. */
export const moods = ['well', 'refuses', 'hangs', 'stalls', 'fails', 'babbles'] as const;
export type Mood = (typeof moods)[number];

export const namespace = 'ns';
const proxy = frontProxy();
/** So many nodes have a kubelet of their own; one stands for all others. */
const ownKubelets = 40;

/** A node's kubelet: it uses `cores` itself, and a pod of one container half of that. */
class Kubelet {
  readonly name: string;
  readonly cores: number;
  readonly clock: VirtualClock;
  mood: Mood = 'well';
  /** Since when it is as it is. */
  sinceMs = 0;
  private bootedMs: number;

  constructor(clock: VirtualClock, options: { readonly name: string; readonly cores: number }) {
    this.clock = clock;
    this.name = options.name;
    this.cores = options.cores;
    this.bootedMs = clock.now() - 1_000_000;
  }

  become(mood: Mood): void {
    if (mood === this.mood) return;
    this.mood = mood;
    this.sinceMs = this.clock.monotonic();
  }

  /** Its counters, and those of its containers, begin anew; nobody can tell two of those between two looks from none. */
  reboot(): void {
    if (this.clock.now() - this.bootedMs < 200_000) return;
    this.bootedMs = this.clock.now();
    this.sinceMs = this.clock.monotonic();
  }

  async answer(signal: AbortSignal | undefined): Promise<KubeletResponse> {
    const until = (): Promise<never> => new Promise((_, reject) => void signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
    if (this.mood === 'refuses') throw new Error('connect ECONNREFUSED');
    if (this.mood === 'hangs') await until();
    const text = this.mood === 'fails' ? 'context deadline exceeded' : this.mood === 'babbles' ? 'node_cpu_usage_seconds_total NaN\n<html>{' : this.says();
    // Some send a beginning and no end.
    return { status: this.mood === 'fails' ? 500 : 200, headers: {}, text: this.mood === 'stalls' ? until : () => Promise.resolve(text), chunks: () => [] as unknown as AsyncIterable<Uint8Array> };
  }

  private says(): string {
    const nowMs = Math.floor(this.clock.now());
    const seconds = (nowMs - this.bootedMs) / 1000;
    const labels = `{container="c",namespace="${namespace}",pod="pod-${this.name}"}`;
    return [
      `container_cpu_usage_seconds_total${labels} ${(seconds * this.cores) / 2} ${nowMs}`,
      `container_memory_working_set_bytes${labels} 1048576 ${nowMs}`,
      `container_start_time_seconds${labels} ${this.bootedMs / 1000}`,
      `node_cpu_usage_seconds_total ${seconds * this.cores} ${nowMs}`,
      `node_memory_working_set_bytes 2097152 ${nowMs}`,
    ].join('\n');
  }
}

export interface Answer {
  readonly code: number;
  readonly body: any;
  readonly tookMs: number;
}

/** A metrics server, its kubelets, and its connection to the API server. */
export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly kubelets = new Map<string, Kubelet>();
  readonly truth: FakeApi;
  readonly link: FaultedApi;
  server: MetricsServer;
  private handler: HttpHandler | undefined;
  private ending = new AbortController();

  constructor(seed: number, nodes: number) {
    this.random = seededRandom(seed);
    this.truth = createFakeApi({ clock: this.clock, random: seededRandom(seed + 1), admit: (resource, object) => (resource.resource === 'subjectaccessreviews' ? ({ ...object, status: { allowed: true } } as typeof object) : object) });
    this.link = createFaultedApi({ truth: this.truth, clock: this.clock, random: seededRandom(seed + 2), user: 'system:metrics-server' });
    this.truth.seed(ConfigMaps, { metadata: { namespace: 'kube-system', name: 'extension-apiserver-authentication' }, data: proxy.data });
    this.truth.seed(Nodes, { metadata: { name: 'has-no-address-yet' } });
    for (let i = 0; i < nodes; i++) {
      const name = `n${i}`;
      this.kubelets.set(name, new Kubelet(this.clock, { name, cores: 2 + 2 * (i % 3) }));
      const node: Node = { metadata: { name, annotations: { 'orrery.dev/kubelet-endpoint': `127.0.0.1:${Math.min(i, ownKubelets) + 1}` } } };
      const pod: Pod = { metadata: { namespace, name: `pod-${name}` }, spec: { nodeName: name, containers: [] }, status: { phase: 'Running' } };
      this.truth.seed(Nodes, node);
      this.truth.seed(Pods, pod);
    }
    this.server = this.create();
  }

  /** Does not wait until it is ready. */
  start(): void {
    const { signal } = this.ending;
    this.server.start(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async restart(): Promise<void> {
    this.ending.abort(new Error('restarted'));
    this.ending = new AbortController();
    await this.server.stop();
    this.server = this.create();
    this.start();
  }

  /** As the API server's proxy asks; within a minute, or not at all. */
  async ask(path: string): Promise<Answer> {
    const began = this.clock.monotonic();
    let out: { code: number; body: any } | undefined;
    const request = { method: 'GET', url: path, headers: { 'x-remote-user': 'me' }, certificate: proxy.certificate } as unknown as HttpRequest;
    const response = { send: (code: number, _: unknown, body: unknown) => void (out = { code, body: String(body).startsWith('{') ? JSON.parse(String(body)) : body }), stream: () => { throw new Error('no'); }, gzip: () => Promise.reject(new Error('no')) };
    void this.handler?.request(request, response);
    await this.clock.until(() => out !== undefined, 60_000);
    return { code: out?.code ?? 0, body: out?.body, tookMs: this.clock.monotonic() - began };
  }

  private create(): MetricsServer {
    const env = { clock: this.clock, random: this.random, log: silentLogger, metrics: createMetrics() };
    const close = (): Promise<void> => Promise.resolve(void (this.handler = undefined));
    const deps = {
      api: this.link.api,
      serveHttp: ({ handler }: { handler: HttpHandler }) => {
        this.handler = handler;
        return Promise.resolve({ port: 4443, setTls: () => undefined, drain: () => Promise.resolve(), close });
      },
      connectKubelet: (): HttpClient => ({
        request: ({ headers, signal }) => (this.kubelets.get(headers['x-orrery-node'] ?? '') as Kubelet).answer(signal),
        close: () => undefined,
      }),
      tls: { cert: 'c', key: 'k', ca: 'the CA' },
    };
    return createMetricsServer(env, deps, resolveConfig(metricsServerSchema, [{}]));
  }
}
