import type { Node, Pod } from '@orrery/api/types';
import type { HttpClient } from '@orrery/client';
import { type Clock, parseGoDuration, timeoutSignal } from '@orrery/runtime';
import type { NodeInfo } from '../cache/node-info.ts';
import type { ExtenderConfiguration, ExtenderTls } from '../configuration/types.ts';
import { failed } from '../framework/status.ts';
import type { Candidate } from '../framework/types.ts';
import type { Extender } from './extender.ts';

/** Upstream's DefaultExtenderTimeout. */
const defaultTimeoutMs = 5_000;

/** The messages of `extender/v1`. Upstream decodes names of any case. */
interface FilterAnswer {
  readonly Nodes?: { readonly items?: readonly Node[] } | null;
  readonly NodeNames?: readonly string[] | null;
  readonly FailedNodes?: Readonly<Record<string, string>> | null;
  readonly FailedAndUnresolvableNodes?: Readonly<Record<string, string>> | null;
  readonly Error?: string;
}

interface MetaVictims {
  readonly Pods?: readonly { readonly UID: string }[] | null;
  readonly NumPDBViolations?: number;
}

export interface HttpExtenderDeps {
  readonly clock: Clock;
  /** `server` is scheme, host and port. */
  readonly connect: (server: string, tls: ExtenderTls | undefined) => HttpClient;
}

/** Go's decoder finds fields whatever their case. */
function withNames<T>(value: unknown, names: readonly (keyof T & string)[]): T {
  const members = new Map(Object.entries((value ?? {}) as Record<string, unknown>).map(([name, member]) => [name.toLowerCase(), member]));
  return Object.fromEntries(names.map((name) => [name, members.get(name.toLowerCase())])) as T;
}

function endpointOf({ urlPrefix, enableHTTPS }: ExtenderConfiguration): { server: string; path: string } {
  const url = new URL(/^https?:\/\//.test(urlPrefix) ? urlPrefix : `${enableHTTPS ? 'https' : 'http'}://${urlPrefix}`);
  return { server: url.origin, path: url.pathname.replace(/\/+$/, '') };
}

function createSender(config: ExtenderConfiguration, { clock, connect }: HttpExtenderDeps): { send: (verb: string, message: unknown) => Promise<unknown>; close: () => void } {
  const { server, path } = endpointOf(config);
  const timeoutMs = (config.httpTimeout && parseGoDuration(config.httpTimeout)) || defaultTimeoutMs;
  // Without an authority of its own, an extender over HTTPS is believed, as upstream does.
  const { caFile, caData } = config.tlsConfig ?? {};
  const tls = config.enableHTTPS && !caFile && !caData ? { ...config.tlsConfig, insecure: true } : config.tlsConfig;
  let http: HttpClient | undefined;
  const send = async (verb: string, message: unknown): Promise<unknown> => {
    http ??= connect(server, tls);
    const answer = await http.request({
      method: 'POST',
      path: `${path}/${verb}`,
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(message)),
      signal: timeoutSignal(clock, timeoutMs),
    });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`failed ${verb} with extender at URL ${config.urlPrefix.replace(/\/+$/, '')}/${verb}, code ${answer.status}`);
    return JSON.parse(text) as unknown;
  };
  return { send, close: () => http?.close() };
}

function filterResult(config: ExtenderConfiguration, raw: unknown, nodes: readonly NodeInfo[]): Awaited<ReturnType<NonNullable<Extender['filter']>>> {
  const answer = withNames<FilterAnswer>(raw, ['Nodes', 'NodeNames', 'FailedNodes', 'FailedAndUnresolvableNodes', 'Error']);
  if (answer.Error) throw new Error(answer.Error);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const names = config.nodeCacheCapable && answer.NodeNames ? answer.NodeNames : (answer.Nodes?.items ?? []).map(({ metadata }) => metadata?.name ?? '');
  const kept = names.map((name) => {
    const node = byName.get(name);
    if (!node) throw new Error(`extender ${JSON.stringify(config.urlPrefix)} claims a filtered node ${JSON.stringify(name)} which is not found in the input node list`);
    return node;
  });
  return { nodes: kept, failed: answer.FailedNodes ?? {}, unresolvable: answer.FailedAndUnresolvableNodes ?? {} };
}

function preemptionMessage(pod: Pod, candidates: readonly Candidate[], nodeCacheCapable: boolean): unknown {
  const victims = (one: (candidate: Candidate) => unknown[]): unknown =>
    Object.fromEntries(candidates.map((candidate) => [candidate.nodeName, { Pods: one(candidate), NumPDBViolations: candidate.violations }]));
  return nodeCacheCapable
    ? { Pod: pod, NodeNameToMetaVictims: victims((candidate) => candidate.victims.map(({ uid }) => ({ UID: uid }))) }
    : { Pod: pod, NodeNameToVictims: victims((candidate) => candidate.victims.map((victim) => victim.pod)) };
}

function preemptionResult(config: ExtenderConfiguration, raw: unknown, nodeOf: (name: string) => NodeInfo | undefined): Candidate[] {
  const { NodeNameToMetaVictims: byNode } = withNames<{ NodeNameToMetaVictims?: Readonly<Record<string, unknown>> }>(raw, ['NodeNameToMetaVictims']);
  return Object.entries(byNode ?? {}).map(([nodeName, value]) => {
    const { Pods: pods, NumPDBViolations: violations } = withNames<MetaVictims>(value, ['Pods', 'NumPDBViolations']);
    const node = nodeOf(nodeName);
    if (!node) throw new Error(`nodeinfo not found for node name ${JSON.stringify(nodeName)}`);
    const victims = (pods ?? []).map((meta) => {
      const { UID: uid } = withNames<{ UID: string }>(meta, ['UID']);
      const victim = node.pods.get(uid);
      if (!victim) throw new Error(`extender: ${config.urlPrefix} claims to preempt pod (UID: ${uid}) on node: ${nodeName}, but the pod is not found on that node`);
      return victim;
    });
    return { nodeName, victims, violations: violations ?? 0 };
  });
}

function asksFor({ spec }: Pod, managed: ReadonlySet<string>): boolean {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return containers.some(({ resources }) => [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((name) => managed.has(name)));
}

/** An extender reached by HTTP, which speaks upstream's `extender/v1`. */
export function createHttpExtender(config: ExtenderConfiguration, deps: HttpExtenderDeps): Extender & { close(): void } {
  const { filterVerb, prioritizeVerb, preemptVerb, bindVerb, nodeCacheCapable = false } = config;
  const { send, close } = createSender(config, deps);
  const managed = new Set((config.managedResources ?? []).map(({ name }) => name));
  const question = ({ pod }: { pod: Pod }, nodes: readonly NodeInfo[]): unknown =>
    nodeCacheCapable ? { Pod: pod, Nodes: null, NodeNames: nodes.map(({ name }) => name) } : { Pod: pod, Nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, NodeNames: null };
  return {
    name: config.urlPrefix,
    ignorable: config.ignorable ?? false,
    weight: config.weight ?? 0,
    interested: ({ pod }) => managed.size === 0 || asksFor(pod, managed),
    close,
    ...(filterVerb ? { filter: async (pod, nodes) => filterResult(config, await send(filterVerb, question(pod, nodes)), nodes) } : {}),
    ...(prioritizeVerb
      ? {
          async prioritize(pod, nodes) {
            const answer = ((await send(prioritizeVerb, question(pod, nodes))) ?? []) as readonly unknown[];
            return new Map(answer.map((entry) => withNames<{ Host: string; Score: number }>(entry, ['Host', 'Score'])).map(({ Host, Score }) => [Host, Score ?? 0]));
          },
        }
      : {}),
    ...(preemptVerb
      ? { preempt: async ({ pod }, candidates, nodeOf) => preemptionResult(config, await send(preemptVerb, preemptionMessage(pod, candidates, nodeCacheCapable)), nodeOf) }
      : {}),
    ...(bindVerb
      ? {
          async bind({ pod }, nodeName) {
            const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
            try {
              const { Error: problem } = withNames<{ Error?: string }>(await send(bindVerb, { PodName: name, PodNamespace: namespace, PodUID: uid, Node: nodeName }), ['Error']);
              return problem ? failed(new Error(problem)) : undefined;
            } catch (error) {
              return failed(error);
            }
          },
        }
      : {}),
  };
}
