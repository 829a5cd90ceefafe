import type { PodInfo } from '../cache/pod-info.ts';
import { shapeOf } from '../cache/pod-info.ts';
import { type NodeInfo, addPod, copyNodeInfo } from '../cache/node-info.ts';
import type { Nominations } from '../cache/nominations.ts';
import { type Snapshot, withNode } from '../cache/snapshot.ts';
import { type BindingPoints, bindingPoints } from './binding-points.ts';
import type { CycleTimer } from './cycle-timer.ts';
import { type Point, type ProfilePlugins, pointMethods, points } from './profile-plugins.ts';
import { createParting, createPruning } from './pruning.ts';
import type { ExtendedResources } from './extended-resources.ts';
import { type ShapeResults, createShapeMemory } from './shape-memory.ts';
import { type NodeStatuses, type Status, failed, unresolvable } from './status.ts';
import { type CycleState, type Plugin, type PostFilterResult, type QueuedPod, isStatus } from './types.ts';
import type { WaitingPods } from './waiting-pods.ts';

/** What PreFilter says of a pod. */
export interface PreFiltered {
  /** The refusal, if any. */
  readonly status?: Status;
  readonly nodeNames?: ReadonlySet<string>;
  /** Plugins that named them. */
  readonly namedBy?: readonly string[];
  /** The plugins whose Filter still has a say. */
  readonly filters: readonly Plugin[];
  /** The plugins whose PreFilter was asked and had a say. */
  readonly asked: readonly Plugin[];
}

/** One scorer's part in a score. */
export interface ScorePart {
  readonly plugin: string;
  readonly weight: number;
  /** Normalised, by node, before the weight. */
  readonly scores: Float64Array;
}

/** Who wants to know more of a score than the totals. */
export interface ScoreListener {
  readonly explain?: (part: ScorePart) => void;
  /** These plugins had a say; for nearly all pods it is one of a few lists. */
  readonly asked?: (point: 'PreScore' | 'Score', plugins: readonly Plugin[]) => void;
}

/** The plugins of one profile, run point by point in upstream's way: in order, the first refusal decides. */
export interface Framework extends BindingPoints {
  readonly schedulerName: string;
  /** Every plugin of the profile, once. */
  readonly plugins: readonly Plugin[];
  /** Share of nodes to find before scoring; 0 is upstream's adaptive share. */
  readonly percentageOfNodesToScore: number;
  less(a: QueuedPod, b: QueuedPod): boolean;
  preEnqueue(pod: PodInfo): Status | undefined;
  preFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot): PreFiltered;
  filter(state: CycleState, filters: readonly Plugin[], pod: PodInfo, node: NodeInfo): Status | undefined;
  /** Judges nodes of the live snapshot, nominated pods included; keeps what holds for pods of the same shape. */
  judge(state: CycleState, pre: PreFiltered, pod: PodInfo, around: { snapshot: Snapshot; nominated: Nominations }): (node: NodeInfo) => Status | undefined;
  /**
   * `fits` for many nodes, changed copies among them, when no plugin that looks beyond one node has a say about the pod; undefined
   * when one has. The answers hold for all pods of its shape.
   */
  localFits(pod: PodInfo, around: { snapshot: Snapshot; nominated: Nominations }): ((node: NodeInfo) => Status | undefined) | undefined;
  /**
   * Whether a pod fits a node that may be a changed copy: PreFilter and Filter in a state of their own. It must fit both with
   * the `nominated` pods of its priority or higher on the node and without them, since they may yet go elsewhere.
   */
  fits(pod: PodInfo, node: NodeInfo, around: { snapshot: Snapshot; nominated: readonly PodInfo[] }): Status | undefined;
  postFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot, statuses: NodeStatuses): Promise<PostFilterResult | undefined>;
  /** Weighted total by node, in the order of `nodes`, until it is asked again. */
  score(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], listener?: ScoreListener): Float64Array | Status;
  reserve(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  unreserve(state: CycleState, pod: PodInfo, nodeName: string): void;
}

export interface FrameworkOptions {
  readonly schedulerName: string;
  readonly percentageOfNodesToScore?: number;
  readonly plugins: ReadonlyMap<string, Plugin>;
  readonly at: ProfilePlugins;
  readonly timer: CycleTimer;
  readonly waitingPods: WaitingPods;
  readonly extended?: Pick<ExtendedResources, 'version'>;
}

/** A PreFilter (of named plugins) left this node out. */
export function notNamed(plugins: readonly string[]): Status {
  return { ...unresolvable(`node(s) didn't satisfy plugin(s) [${plugins.join(' ')}]`), plugin: plugins[0] ?? '' };
}

function combine(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
  if (!a || !b) return a ?? b;
  return new Set([...a].filter((name) => b.has(name)));
}

interface Scorer {
  readonly plugin: Plugin;
  readonly weight: number;
  /** Its place in what is kept by shape; -1 for those that look beyond the node. */
  readonly row: number;
}

function pluginsAt({ plugins, at }: FrameworkOptions): Readonly<Record<Point, readonly Plugin[]>> {
  const found = points.map((point): [Point, Plugin[]] => [point, at[point].flatMap(({ name }) => plugins.get(name) ?? []).filter((plugin) => plugin[pointMethods[point]] !== undefined)]);
  return Object.fromEntries(found) as Record<Point, Plugin[]>;
}

function scorersOf({ plugins, at }: FrameworkOptions): { scorers: readonly Scorer[]; rows: number } {
  let rows = 0;
  const scorers = at.score.flatMap(({ name, weight }) => {
    const plugin = plugins.get(name);
    return plugin?.score ? [{ plugin, weight, row: plugin.local ? rows++ : -1 }] : [];
  });
  return { scorers, rows };
}

function scoreEach(plugin: Plugin, of: { state: CycleState; pod: PodInfo; nodes: readonly NodeInfo[]; known: ShapeResults | undefined; row: number }, scores: Float64Array): void {
  const { state, pod, nodes, known, row } = of;
  const one = (node: NodeInfo): number => plugin.score?.(state, pod, node) ?? 0;
  if (known) known.scoreAll(row, nodes, scores, one);
  else for (let i = 0; i < scores.length; i++) scores[i] = one(nodes[i] as NodeInfo);
}

const ofLength = (array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> => (array.length === length ? array : new Float64Array(length));

/** Statuses carry the name of their plugin; each is named once, for filters give the same objects again and again. */
function createNaming(): (status: Status, plugin: Plugin) => Status {
  const known = new WeakMap<Status, Status>();
  return (status, plugin) => {
    if (status.plugin === plugin.name) return status;
    const before = known.get(status);
    if (before?.plugin === plugin.name) return before;
    const named = { ...status, plugin: plugin.name };
    known.set(status, named);
    return named;
  };
}

export function createFramework(options: FrameworkOptions): Framework {
  const { schedulerName, timer } = options;
  const at = pluginsAt(options);
  const { scorers, rows } = scorersOf(options);
  // What is kept counts nominated pods, or does not, by whether more than local plugins judge.
  const [memory, memoryOfParts] = [createShapeMemory(rows), createShapeMemory(rows)];
  const filtersWithout = createPruning((plugin: Plugin) => plugin);
  const scorersWithout = createPruning(({ plugin }: Scorer) => plugin);
  const scoring: readonly Plugin[] = scorers.map(({ plugin }) => plugin);
  const partsOf = createParting();
  const kept = { totals: new Float64Array(0), scores: new Float64Array(0) };
  const named = createNaming();
  // Which resources devices stand for is no part of a node.
  const memoryKey = (pod: PodInfo): string => (pod.requests.scalar && options.extended?.version ? `${options.extended.version} ${shapeOf(pod)}` : shapeOf(pod));
  const [sorter] = at.queueSort;
  if (!sorter?.less || at.queueSort.length > 1) {
    throw new Error(`${sorter ? 'only ' : ''}one queue sort plugin required for profile with scheduler name ${JSON.stringify(schedulerName)}, but got ${at.queueSort.length}`);
  }
  if (at.bind.length === 0) throw new Error(`at least one bind plugin is needed for profile with scheduler name ${JSON.stringify(schedulerName)}`);
  /** Of the cycle that runs, so that scores find what the filters found. */
  let results: ShapeResults | undefined;

  const filter: Framework['filter'] = (state, filters, pod, node) => {
    for (let i = 0; i < filters.length; i++) {
      const plugin = filters[i] as Plugin;
      const began = timer.begin();
      const status = plugin.filter?.(state, pod, node);
      timer.end(plugin.name, 'Filter', began, status);
      if (status) return named(status, plugin);
    }
    return undefined;
  };
  const preFilter: Framework['preFilter'] = (state, pod, snapshot) => {
    let nodeNames: ReadonlySet<string> | undefined;
    const namedBy: string[] = [];
    let filters = at.filter;
    let asked: readonly Plugin[] = at.preFilter;
    for (const plugin of at.preFilter) {
      const began = timer.begin();
      const result = plugin.preFilter?.(state, pod, snapshot);
      timer.end(plugin.name, 'PreFilter', began, result);
      if (!isStatus(result)) {
        if (!result?.nodeNames) continue;
        namedBy.push(plugin.name);
        nodeNames = combine(nodeNames, result.nodeNames);
      } else if (result.code === 'Skip') {
        filters = filtersWithout(filters, plugin);
        asked = filtersWithout(asked, plugin);
      } else return { status: named(result, plugin), filters: [], asked: asked.slice(0, asked.indexOf(plugin) + 1) };
    }
    if (!nodeNames) return { filters, asked };
    if (nodeNames.size > 0) return { filters, asked, nodeNames, namedBy };
    const message = `node(s) didn't satisfy plugin(s) ${JSON.stringify(namedBy).replaceAll('"', '').replaceAll(',', ' ')} simultaneously`;
    return { status: { ...unresolvable(message), plugin: namedBy[0] ?? '' }, filters: [], asked };
  };
  const fits: Framework['fits'] = (pod, node, { snapshot, nominated }) => {
    const tryOn = (where: NodeInfo): Status | undefined => {
      const state: CycleState = new Map();
      const pre = preFilter(state, pod, withNode(snapshot, where));
      if (pre.status) return pre.status;
      if (pre.nodeNames && !pre.nodeNames.has(where.name)) return notNamed(pre.namedBy ?? []);
      return filter(state, pre.filters, pod, where);
    };
    const ahead = nominated.filter((other) => other.priority >= pod.priority && other.uid !== pod.uid);
    if (ahead.length === 0) return tryOn(node);
    const crowded = copyNodeInfo(node);
    for (const other of ahead) addPod(crowded, other);
    return tryOn(crowded) ?? tryOn(node);
  };

  /** As `fits`, by local plugins alone. */
  const localJudge = (state: CycleState, filters: readonly Plugin[], pod: PodInfo, { snapshot, nominated }: { snapshot: Snapshot; nominated: Nominations }) => (node: NodeInfo): Status | undefined => {
    const ahead = nominated.size ? nominated.on(node.name).filter((other) => other.priority >= pod.priority && other.uid !== pod.uid) : [];
    if (ahead.length === 0) return filter(state, filters, pod, node);
    if (ahead.some((other) => other.affinity)) return fits(pod, node, { snapshot, nominated: ahead });
    const crowded = copyNodeInfo(node);
    for (const other of ahead) addPod(crowded, other);
    return filter(state, filters, pod, crowded) ?? filter(state, filters, pod, node);
  };

  return {
    ...bindingPoints({ at, waitingPods: options.waitingPods, timer, named }),
    schedulerName,
    plugins: [...options.plugins.values()],
    percentageOfNodesToScore: options.percentageOfNodesToScore ?? 0,
    less: sorter.less.bind(sorter),
    preFilter,
    filter,
    fits,
    preEnqueue(pod) {
      for (const plugin of at.preEnqueue) {
        const status = plugin.preEnqueue?.(pod);
        if (status) return named(status, plugin);
      }
      return undefined;
    },
    judge(state, { filters }, pod, { snapshot, nominated }) {
      const { local, beyond } = partsOf(filters);
      const plain = (node: NodeInfo): Status | undefined => filter(state, local, pod, node);
      const known = (results = (beyond.length ? memoryOfParts : memory).of(memoryKey(pod)));
      if (beyond.length === 0) {
        const whole = localJudge(state, local, pod, { snapshot, nominated });
        // Its own nomination counts for others and not for itself.
        const mine = nominated.of(pod.uid);
        return known ? (node) => (node.name === mine ? whole(node) : known.status(node, whole)) : whole;
      }
      return (node) => {
        const there = nominated.size ? nominated.on(node.name) : [];
        if (there.length) return fits(pod, node, { snapshot, nominated: there });
        return (known ? known.status(node, plain) : plain(node)) ?? filter(state, beyond, pod, node);
      };
    },
    localFits(pod, { snapshot, nominated }) {
      const state: CycleState = new Map();
      const { status, filters, nodeNames, namedBy = [] } = preFilter(state, pod, snapshot);
      if (status || !filters.every((plugin) => plugin.local)) return undefined;
      const local = localJudge(state, filters, pod, { snapshot, nominated });
      return nodeNames ? (node) => (nodeNames.has(node.name) ? local(node) : notNamed(namedBy)) : local;
    },
    async postFilter(state, pod, snapshot, statuses) {
      const messages: string[] = [];
      let last: PostFilterResult | undefined;
      for (const plugin of at.postFilter) {
        const began = timer.begin();
        const asked = plugin.postFilter?.(state, pod, snapshot, statuses);
        const result = asked instanceof Promise ? await asked : asked;
        timer.end(plugin.name, 'PostFilter', began, result);
        if (!result) continue;
        last = result;
        if (result.message) messages.push(result.message);
        if (result.nominatedNode || result.failed) return result;
      }
      return last && { ...last, message: messages.join(', ') };
    },
    score(state, pod, nodes, { explain, asked } = {}) {
      let left = scorers;
      let scored = scoring;
      let before: readonly Plugin[] = at.preScore;
      for (const plugin of at.preScore) {
        const began = timer.begin();
        const status = plugin.preScore?.(state, pod, nodes);
        timer.end(plugin.name, 'PreScore', began, status);
        if (status?.code === 'Skip') {
          left = scorersWithout(left, plugin);
          scored = filtersWithout(scored, plugin);
          before = filtersWithout(before, plugin);
        } else if (status) return named({ ...status, reasons: [`running PreScore plugin ${JSON.stringify(plugin.name)}: ${status.reasons.join(', ')}`] }, plugin);
      }
      asked?.('PreScore', before);
      asked?.('Score', scored);
      const totals = (kept.totals = ofLength(kept.totals, nodes.length)).fill(0);
      for (const { plugin, weight, row } of left) {
        const scores = explain ? new Float64Array(nodes.length) : (kept.scores = ofLength(kept.scores, nodes.length));
        const began = timer.begin();
        if (plugin.scoreAll) plugin.scoreAll(state, pod, nodes, scores);
        else scoreEach(plugin, { state, pod, nodes, known: row < 0 ? undefined : results, row }, scores);
        timer.end(plugin.name, 'Score', began, undefined);
        if (plugin.normalize) {
          const normalizeBegan = timer.begin();
          plugin.normalize(state, pod, scores, nodes);
          timer.end(plugin.name, 'ScoreExtensionNormalize', normalizeBegan, undefined);
        }
        for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] as number) + (scores[i] as number) * weight;
        explain?.({ plugin: plugin.name, weight, scores });
      }
      return totals;
    },
    reserve(state, pod, nodeName) {
      for (const plugin of at.reserve) {
        try {
          const began = timer.begin();
          const status = plugin.reserve?.(state, pod, nodeName);
          timer.end(plugin.name, 'Reserve', began, status);
          if (status) return named(status, plugin);
        } catch (error) {
          return named(failed(error), plugin);
        }
      }
      return undefined;
    },
    unreserve(state, pod, nodeName) {
      for (const plugin of [...options.plugins.values()].reverse()) plugin.unreserve?.(state, pod, nodeName);
    },
  };
}
