import type { HttpRequest, HttpResponse } from '@orrery/node-io';
import { type Env, isSli } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import type { ProgramSettings } from '../configuration/shown.ts';
import type { KubeletConfiguration } from '../configuration/types.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { probeMetrics } from '../probes/probe-metrics.ts';
import { cadvisorMetrics } from '../stats/cadvisor-metrics.ts';
import { resourceMetrics } from '../stats/resource-metrics.ts';
import { statsSummary } from '../stats/summary.ts';
import { HttpFault, notFound, sendJson, sendText } from './reply.ts';

export interface Route {
  readonly url: URL;
  /** Path without the node prefix. */
  readonly path: string;
  readonly parts: readonly string[];
  /** The node the request names, by a leading `/nodes/{name}` or the header `x-orrery-node`. */
  readonly node: string | undefined;
}

/** One request of the kubelet's API. */
export interface Page {
  readonly env: Env;
  readonly route: Route;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** The node it is about. Throws HttpFault where that is not clear. */
  kubelet(): Kubelet;
  /** A pod and its node. Throws HttpFault 404, of these words if any. */
  find(key: { namespace: string; pod: string; uid?: string | undefined }, missing?: string): { kubelet: Kubelet; worker: PodWorker };
  /** What the nodes of this server were configured with, if by a file. */
  readonly configuration: KubeletConfiguration | undefined;
  /** What this server and its program run with for a node. */
  program(node: string): ProgramSettings;
  /** When the server was made, milliseconds since the epoch. */
  readonly startedMs: number;
  /** Flags of the program, by name; undefined where it is not a kubelet's own. */
  readonly flags: Readonly<Record<string, string>> | undefined;
}

export function onlyGet({ request }: Page): void {
  if (request.method !== 'GET') throw new HttpFault(405, '405: Method Not Allowed');
}

function pods({ kubelet, response }: Page): void {
  const { pods: known, context } = kubelet();
  sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [...known.list()].map(({ pod, uid }) => ({ ...pod, status: context.statuses.get(uid) ?? pod.status })) });
}

async function metrics({ env, route: { parts }, kubelet }: Page): Promise<string> {
  if (parts.length === 1) return env.metrics.expose('text', (name) => !isSli(name));
  if (parts.length > 2) throw notFound();
  switch (parts[1]) {
    case 'resource':
      return resourceMetrics(kubelet());
    case 'cadvisor':
      return cadvisorMetrics(kubelet());
    case 'probes':
      return `${env.metrics.expose('text', (name) => name === 'process_start_time_seconds')}${probeMetrics(kubelet().context.prober.figures())}`;
    case 'slis':
      return env.metrics.expose('text', isSli);
    default:
      throw notFound();
  }
}

/** What every server of a kubelet shows: pods, figures, metrics. False for other paths. */
export async function serveNodePage(page: Page): Promise<boolean> {
  const { route, response, kubelet } = page;
  const { parts, url } = route;
  switch (parts[0]) {
    case 'pods':
      onlyGet(page);
      pods(page);
      return true;
    case 'stats':
      onlyGet(page);
      if (parts[1] !== 'summary') throw notFound();
      sendJson(response, await statsSummary(kubelet(), { brief: url.searchParams.get('only_cpu_and_memory') === 'true' }));
      return true;
    case 'metrics':
      sendText(response, 200, await metrics(page));
      return true;
    default:
      return false;
  }
}
