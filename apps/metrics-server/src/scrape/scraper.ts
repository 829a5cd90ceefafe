import { Nodes, kubeletEndpoint } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import type { ApiClient, HttpClient } from '@orrery/client';
import { type Env, type Timer, latencyBuckets } from '@orrery/runtime';
import { type NodePoint, parseResourceMetrics } from './resource-metrics.ts';
import { UsageStore } from './usage-store.ts';

/** A connection to a kubelet; one for all nodes that have the same. */
export type ConnectKubelet = (endpoint: { readonly host: string; readonly port: number }) => HttpClient;

export interface ScraperDeps {
  readonly api: ApiClient;
  readonly connect: ConnectKubelet;
}

export interface ScraperOptions {
  readonly resolutionMs: number;
  /** Without a question for so long nothing is scraped; 0: always. */
  readonly idleAfterMs: number;
}

const timeoutMs = 10_000;
/** Nodes that one kubelet API stands for are asked for so many at a time; kubelets all at once, as upstream does. */
const concurrency = 32;
/** Between the two samples that the first to ask waits for. */
const firstWindowMs = 1_000;

const keyOf = ({ host, port }: { readonly host: string; readonly port: number }): string => `${host} ${port}`;

/** '' of a node that has no address yet, which asking it will say. */
function kubeletOf(node: Node): string {
  try {
    return keyOf(kubeletEndpoint(node));
  } catch {
    return '';
  }
}

/**
 * Asks the kubelets what their containers use: every period while somebody wants to know, not at all otherwise. Who asks first
 * waits for two samples, a second apart.
 */
export class Scraper {
  readonly usage: UsageStore;
  private readonly env: Env;
  private readonly deps: ScraperDeps;
  private readonly options: ScraperOptions;
  private readonly clients = new Map<string, HttpClient>();
  private readonly stopping = new AbortController();
  private timer: Timer | undefined;
  private waking: Promise<void> | undefined;
  private round: Promise<void> | undefined;
  private askedMs = 0;
  private takenMs = 0;

  constructor(env: Env, deps: ScraperDeps, options: ScraperOptions) {
    this.env = env;
    this.deps = deps;
    this.options = options;
    this.usage = new UsageStore(options.resolutionMs);
  }

  /** Begins at once, if it never rests. */
  start(): void {
    if (this.options.idleAfterMs === 0) this.wake().catch((error: unknown) => this.env.log.warn('nodes were not scraped', { error }));
  }

  stop(): void {
    this.stopping.abort(new Error('the metrics server stops'));
    this.timer?.cancel();
    this.timer = undefined;
    for (const client of this.clients.values()) client.close();
    this.clients.clear();
  }

  /** Resolves when there is something to tell; keeps it fresh for a while. */
  async wanted(): Promise<void> {
    this.askedMs = this.env.clock.monotonic();
    if (this.isOutdated()) this.rest();
    if (!this.timer) await this.wake();
  }

  /** Whether nodes are being scraped. */
  get awake(): boolean {
    return this.timer !== undefined;
  }

  private wake(): Promise<void> {
    this.waking ??= this.begin().finally(() => (this.waking = undefined));
    return this.waking;
  }

  private async begin(): Promise<void> {
    const { clock } = this.env;
    await this.scrape();
    await clock.sleep(firstWindowMs, this.stopping.signal);
    await this.scrape();
    if (!this.stopping.signal.aborted) this.timer = clock.every(this.options.resolutionMs, () => this.tick());
  }

  private tick(): void {
    const { idleAfterMs } = this.options;
    if (idleAfterMs > 0 && this.env.clock.monotonic() - this.askedMs > idleAfterMs) {
      this.rest();
      return;
    }
    const outdated = this.isOutdated();
    if (outdated) this.rest();
    (outdated ? this.wake() : this.scrape()).catch((error: unknown) => this.env.log.warn('nodes were not scraped', { error }));
  }

  /** More than one round failed, since the API server did not say which nodes there are: what is known is of long ago. */
  private isOutdated(): boolean {
    return this.timer !== undefined && this.env.clock.monotonic() - this.takenMs > 2 * this.options.resolutionMs + timeoutMs;
  }

  private rest(): void {
    this.timer?.cancel();
    this.timer = undefined;
    // Old points would make a window of hours.
    this.usage.clear();
  }

  /** One round at a time: of two, the one that ends later need not be the one that began later. */
  private scrape(): Promise<void> {
    this.round ??= this.scrapeAll().finally(() => (this.round = undefined));
    return this.round;
  }

  private async scrapeAll(): Promise<void> {
    const { items } = await this.deps.api.list(Nodes);
    const points = new Map<string, NodePoint>();
    const byKubelet = new Map<string, Node[]>();
    for (const node of items) {
      const kubelet = kubeletOf(node);
      const nodes = byKubelet.get(kubelet);
      if (nodes) nodes.push(node);
      else byKubelet.set(kubelet, [node]);
    }
    await Promise.all([...byKubelet.values()].map((nodes) => this.askAll(nodes, points)));
    this.usage.take(points);
    this.takenMs = this.env.clock.monotonic();
  }

  /** The nodes of one kubelet API. Once it let one wait in vain the others are not asked: every one would wait as long. */
  private async askAll(nodes: readonly Node[], points: Map<string, NodePoint>): Promise<void> {
    const waiting = [...nodes];
    const work = async (): Promise<void> => {
      for (let node = waiting.pop(); node && !this.stopping.signal.aborted; node = waiting.pop()) {
        const point = await this.ask(node);
        if (point === 'late') {
          if (waiting.length > 0) this.env.log.warn('nodes were not scraped: their kubelet does not answer', { nodes: waiting.length });
          waiting.length = 0;
        } else if (point) points.set(node.metadata?.name ?? '', point);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, nodes.length) }, work));
  }

  /** One node; what fails is logged and counted, and the node is left out. */
  private async ask(node: Node): Promise<NodePoint | 'late' | undefined> {
    const { clock, log, metrics } = this.env;
    const name = node.metadata?.name ?? '';
    const startedMs = clock.monotonic();
    const abort = new AbortController();
    const late = clock.after(timeoutMs, () => abort.abort(new Error('context deadline exceeded')));
    let success = 'false';
    try {
      const client = this.client(node);
      // One kubelet API may stand for many nodes: the header says which; others do not know it.
      const response = await client.request({ method: 'GET', path: '/metrics/resource', headers: { 'x-orrery-node': name }, signal: AbortSignal.any([abort.signal, this.stopping.signal]) });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`request failed, status: ${response.status} ${text.slice(0, 100)}`);
      const point = parseResourceMetrics(text, clock.now());
      success = 'true';
      return point;
    } catch (error) {
      log.warn('a node was not scraped', { node: name, error: (error as Error).message });
      return abort.signal.aborted ? 'late' : undefined;
    } finally {
      late.cancel();
      metrics.counter('metrics_server_kubelet_request_total', 'Number of requests sent to Kubelet API').inc({ success });
      metrics.histogram('metrics_server_kubelet_request_duration_seconds', 'Duration of requests to Kubelet API in seconds', latencyBuckets).observe((clock.monotonic() - startedMs) / 1000);
    }
  }

  private client(node: Node): HttpClient {
    const endpoint = kubeletEndpoint(node);
    const key = keyOf(endpoint);
    let client = this.clients.get(key);
    if (!client) this.clients.set(key, (client = this.deps.connect(endpoint)));
    return client;
  }
}
