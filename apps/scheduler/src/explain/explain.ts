import { Nodes, Pods, ResourceSlices } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { type ApiClient, createInformerFactory } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import type { NodeInfo } from '../cache/node-info.ts';
import { type PodInfo, podInfo } from '../cache/pod-info.ts';
import { type SchedulerCache, createSchedulerCache } from '../cache/scheduler-cache.ts';
import type { SchedulerConfiguration } from '../configuration/types.ts';
import type { Framework, PreFiltered, ScorePart } from '../framework/framework.ts';
import { notNamed } from '../framework/framework.ts';
import { type Status, fitErrorMessage, sameStatus, statusList } from '../framework/status.ts';
import type { CycleState } from '../framework/types.ts';
import { createWaitingPods } from '../framework/waiting-pods.ts';
import { type Sources, createProfiles, createSources } from '../profiles.ts';

export interface Refusal {
  readonly plugin: string;
  readonly reasons: readonly string[];
  /** Preempting pods could help. */
  readonly resolvable: boolean;
}

export interface ScoreExplanation {
  readonly plugin: string;
  readonly weight: number;
  /** 0…100, before the weight. */
  readonly score: number;
}

export interface NodeExplanation {
  readonly node: string;
  readonly fits: boolean;
  /** Of every plugin that refuses the node; the scheduler stops at the first. */
  readonly refusals: readonly Refusal[];
  /** Of nodes that fit. */
  readonly scores: readonly ScoreExplanation[];
  readonly total: number;
}

/** Why a pod goes where it goes, or nowhere. */
export interface Explanation {
  readonly pod: string;
  readonly schedulerName: string;
  /** The node that it has; the rest tells where it would go if it had none. */
  readonly boundTo?: string;
  readonly nominatedNode?: string;
  /** Best first, then the nodes that do not fit, by name. */
  readonly nodes: readonly NodeExplanation[];
  /** The nodes with the highest score: one of them is drawn. Empty when none fits. */
  readonly chosen: readonly string[];
  /** Why there is none, as the pod's condition says it. */
  readonly message?: string;
}

interface Subject {
  readonly framework: Framework;
  readonly cache: SchedulerCache;
  readonly pod: PodInfo;
}

function refusalOf(status: Status): Refusal {
  return { plugin: status.plugin ?? '', reasons: status.reasons, resolvable: status.code === 'Unschedulable' };
}

/** What every filter says of a node, not the first refusal alone. */
function verdictsOn({ framework, cache, pod }: Subject, node: NodeInfo, state: CycleState, pre: PreFiltered): Status[] {
  if (pre.nodeNames && !pre.nodeNames.has(node.name)) return [notNamed(pre.namedBy ?? [])];
  const found = pre.filters.flatMap((plugin) => framework.filter(state, [plugin], pod, node) ?? []);
  if (found.length) return found;
  const nominated = cache.nominated.on(node.name);
  const crowded = nominated.length ? framework.fits(pod, node, { snapshot: cache, nominated }) : undefined;
  return crowded ? [crowded] : [];
}

function scoresOf({ framework, pod }: Subject, state: CycleState, nodes: readonly NodeInfo[]): { totals: Float64Array; parts: readonly ScorePart[]; problem?: string } {
  const parts: ScorePart[] = [];
  if (nodes.length === 0) return { totals: new Float64Array(0), parts };
  const totals = framework.score(state, pod, nodes, { explain: (part) => parts.push(part) });
  return totals instanceof Float64Array ? { totals, parts } : { totals: new Float64Array(nodes.length), parts, problem: totals.reasons.join(', ') };
}

type Verdict = Pick<Explanation, 'nodes' | 'chosen' | 'message'>;

function refusedEverywhere(all: readonly NodeInfo[], status: Status): Verdict {
  const nodes = all.map(({ name }) => ({ node: name, fits: false, refusals: [refusalOf(status)], scores: [], total: 0 }));
  return { nodes, chosen: [], message: fitErrorMessage({ nodeCount: all.length, statuses: sameStatus(all, status), preFilterMessage: status.reasons.join(', ') }) };
}

/** Reruns filters and scores of a profile over the nodes of a cache, all of them. */
export function explainOn(subject: Subject): Verdict {
  const { framework, cache, pod } = subject;
  const gate = framework.preEnqueue(pod);
  if (gate) return { nodes: [], chosen: [], message: gate.reasons.join(', ') };
  const state: CycleState = new Map();
  const pre = framework.preFilter(state, pod, cache);
  if (pre.status) return refusedEverywhere(cache.nodes, pre.status);
  const statuses = statusList();
  const fitting: NodeInfo[] = [];
  const refused: NodeExplanation[] = [];
  for (const node of cache.nodes) {
    const found = verdictsOn(subject, node, state, pre);
    const [first] = found;
    if (!first) fitting.push(node);
    else {
      statuses.add(node, first);
      refused.push({ node: node.name, fits: false, refusals: found.map(refusalOf), scores: [], total: 0 });
    }
  }
  const { totals, parts, problem } = scoresOf(subject, state, fitting);
  const scored = fitting.map((node, i): NodeExplanation => {
    const scores = parts.map(({ plugin, weight, scores: ofPlugin }) => ({ plugin, weight, score: ofPlugin[i] ?? 0 }));
    return { node: node.name, fits: true, refusals: [], scores, total: totals[i] ?? 0 };
  });
  const byName = (a: NodeExplanation, b: NodeExplanation): number => (a.node < b.node ? -1 : 1);
  scored.sort((a, b) => b.total - a.total || byName(a, b));
  const message = problem ?? (scored.length ? undefined : fitErrorMessage({ nodeCount: cache.nodes.length, statuses }));
  return {
    nodes: [...scored, ...refused.sort(byName)],
    chosen: problem ? [] : scored.filter(({ total }) => total === scored[0]?.total).map(({ node }) => node),
    ...(message === undefined ? {} : { message }),
  };
}

/** Clusters before 1.34 serve no resource claims of this version; there is nothing to allocate then. */
async function withoutUnserved(api: ApiClient, configuration: SchedulerConfiguration): Promise<SchedulerConfiguration> {
  try {
    await api.list(ResourceSlices, { limit: 1 });
    return configuration;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const profiles = configuration.profiles.map((profile) => {
      const { enabled = [], disabled = [] } = profile.plugins.multiPoint ?? {};
      return { ...profile, plugins: { ...profile.plugins, multiPoint: { enabled, disabled: [...disabled, { name: 'DynamicResources' }] } } };
    });
    return { ...configuration, profiles };
  }
}

/** Everything in the cluster but the pod itself. */
function fill(cache: SchedulerCache, sources: Sources, nodes: Iterable<Parameters<SchedulerCache['setNode']>[0]>, without: Pod): void {
  for (const node of nodes) cache.setNode(node);
  for (const pod of sources.pods.list()) {
    if (pod.metadata?.uid === without.metadata?.uid) continue;
    const nominated = pod.status?.nominatedNodeName;
    if (pod.spec?.nodeName) cache.setPod(podInfo(pod), pod.spec.nodeName);
    else if (nominated) cache.nominated.set(podInfo(pod), nominated);
  }
}

/**
 * Lists what the scheduler of `configuration` would look at, and reruns its filters and scores for one pod; nothing is written. Rejects with
 * the API server's error when the pod is not there, and when no profile is for it.
 */
export async function explainPod(env: Env, deps: { api: ApiClient; configuration: SchedulerConfiguration; signal?: AbortSignal }, key: { namespace: string; name: string }): Promise<Explanation> {
  const { api, signal } = deps;
  const configuration = await withoutUnserved(api, deps.configuration);
  const found = await api.get(Pods, key);
  const schedulerName = found.spec?.schedulerName || 'default-scheduler';
  const informers = createInformerFactory({ api, env });
  const cache = createSchedulerCache();
  const profileDeps = { env, api, cache, informers, waitingPods: createWaitingPods(env.clock), extenders: [], recorders: new Map(), configuration, tell: () => undefined, observe: () => undefined };
  const sources = createSources(profileDeps);
  const framework = createProfiles(profileDeps, sources).get(schedulerName);
  if (!framework) throw new Error(`no profile schedules for ${JSON.stringify(schedulerName)}; known: ${configuration.profiles.map((profile) => profile.schedulerName).join(', ')}`);
  const nodes = informers.informer(Nodes);
  informers.start();
  try {
    await informers.whenSynced(signal);
    fill(cache, sources, nodes.list(), found);
  } finally {
    informers.stop();
  }
  const { nodeName: boundTo, ...spec } = found.spec ?? { containers: [] };
  const pod = podInfo({ ...found, spec });
  const nominatedNode = found.status?.nominatedNodeName;
  return {
    pod: `${key.namespace}/${key.name}`,
    schedulerName,
    ...(boundTo ? { boundTo } : {}),
    ...(nominatedNode ? { nominatedNode } : {}),
    ...explainOn({ framework, cache, pod }),
  };
}
