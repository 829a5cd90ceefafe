import type { DaemonSet, DaemonSetStatus, Node, Pod } from '@orrery/api/types';
import { resolveIntOrPercent } from '../deployment/scaling.ts';
import { isAvailable, isReady } from '../pods/pod-state.ts';
import { revisionHashLabel } from '../revisions/revisions.ts';
import { nodeOfPod, placement } from './placement.ts';

/** Most pods created or deleted in one go. */
const burst = 250;

export interface DaemonObserved {
  readonly daemonSet: DaemonSet;
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  /** Hash of the present template. */
  readonly hash: string;
  readonly expectationsMet: boolean;
}

export interface DaemonPlan {
  /** Names of nodes. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Pods that ended, which a daemon pod never should; they are among `remove`. */
  readonly ended: readonly Pod[];
  readonly status: DaemonSetStatus;
}

interface OnNode {
  readonly node: Node;
  readonly run: boolean;
  readonly stay: boolean;
  readonly pods: Pod[];
}

const isUpdated = (pod: Pod, hash: string): boolean => pod.metadata?.labels?.[revisionHashLabel] === hash;
const ageOf = ({ spec, metadata }: Pod): string => `${spec?.nodeName ? 0 : 1} ${metadata?.creationTimestamp ?? ''} ${metadata?.name ?? ''}`;
/** The oldest first, but those that no node has yet last. */
const byAge = (a: Pod, b: Pod): number => (ageOf(a) < ageOf(b) ? -1 : 1);

function survey({ daemonSet, nodes, pods }: DaemonObserved): { places: OnNode[]; stray: Pod[] } {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const name = nodeOfPod(pod) ?? '';
    byNode.set(name, [...(byNode.get(name) ?? []), pod]);
  }
  const spec = daemonSet.spec?.template?.spec ?? { containers: [] };
  const places = nodes.map((node): OnNode => ({ node, ...placement(spec, node), pods: byNode.get(node.metadata?.name ?? '') ?? [] }));
  const known = new Set(nodes.map((node) => node.metadata?.name ?? ''));
  // Pods bound to a node that is gone are the pod garbage collector's.
  const stray = [...byNode].flatMap(([name, found]) => (known.has(name) ? [] : found.filter((pod) => !pod.spec?.nodeName && !pod.metadata?.deletionTimestamp)));
  return { places, stray };
}

interface Changes {
  readonly create: string[];
  readonly remove: Pod[];
  readonly ended: Pod[];
}

/** One pod on every node that should have one; while surging, an old and a new one side by side. */
function place(on: OnNode, observed: DaemonObserved, surge: boolean, nowMs: number, out: Changes): void {
  const minReady = observed.daemonSet.spec?.minReadySeconds ?? 0;
  const alive = on.pods.filter((pod) => !pod.metadata?.deletionTimestamp);
  const ended = alive.filter((pod) => pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded');
  const running = alive.filter((pod) => !ended.includes(pod)).sort(byAge);
  if (!on.stay) return void out.remove.push(...alive);
  if (on.run && on.pods.length === 0) return void out.create.push(on.node.metadata?.name ?? '');
  out.ended.push(...ended);
  out.remove.push(...ended);
  if (running.length <= 1) return;
  const old = running.filter((pod) => !isUpdated(pod, observed.hash));
  const fresh = running.filter((pod) => isUpdated(pod, observed.hash));
  if (!surge) return void out.remove.push(...running.slice(1));
  const [[oldest], [newest]] = [old, fresh];
  out.remove.push(...old.slice(1), ...fresh.slice(1));
  // An old pod that serves nobody is not worth waiting for.
  if (oldest && newest && (!isReady(oldest) || isAvailable(newest, minReady, nowMs))) out.remove.push(oldest);
}

/**
 * Which old pods a rolling update takes next: first those that are not available anyway, then as many as it may. While surging, they get a new one beside
 * them, which those that are not available do not wait for.
 */
function roll(places: readonly OnNode[], observed: DaemonObserved, nowMs: number, out: Changes): void {
  const { daemonSet, hash } = observed;
  const strategy = daemonSet.spec?.updateStrategy;
  if (strategy?.type === 'OnDelete') return;
  const minReady = daemonSet.spec?.minReadySeconds ?? 0;
  const desired = places.filter((on) => on.run);
  const maxSurge = resolveIntOrPercent(strategy?.rollingUpdate?.maxSurge ?? 0, desired.length, 'up');
  const maxUnavailable = Math.max(resolveIntOrPercent(strategy?.rollingUpdate?.maxUnavailable ?? 1, desired.length, 'up'), maxSurge > 0 ? 0 : 1);
  const going = new Set(out.remove);
  const candidates: Pod[] = [];
  const surgeNodes: string[] = [];
  const replacements: string[] = [];
  let unavailable = 0;
  let surging = 0;
  for (const on of desired) {
    const alive = on.pods.filter((pod) => !pod.metadata?.deletionTimestamp && !going.has(pod));
    // What is too much here goes first.
    const crowded = on.pods.some((pod) => going.has(pod));
    const available = alive.some((pod) => isAvailable(pod, minReady, nowMs));
    const old = alive.find((pod) => !isUpdated(pod, hash));
    const fresh = alive.find((pod) => isUpdated(pod, hash));
    if (!available) unavailable++;
    if (old && fresh) surging++;
    if (!old || fresh) continue;
    if (maxSurge > 0 && crowded) continue;
    if (maxSurge > 0) (available ? surgeNodes : replacements).push(on.node.metadata?.name ?? '');
    else if (!available) out.remove.push(old);
    else candidates.push(old);
  }
  if (maxSurge > 0) out.create.push(...replacements, ...surgeNodes.slice(0, Math.max(0, maxSurge - surging)));
  else out.remove.push(...candidates.slice(0, Math.max(0, maxUnavailable - unavailable)));
}

function statusOf(places: readonly OnNode[], observed: DaemonObserved, nowMs: number): DaemonSetStatus {
  const { daemonSet, hash } = observed;
  const minReady = daemonSet.spec?.minReadySeconds ?? 0;
  let [desired, current, misscheduled, ready, updated, available] = [0, 0, 0, 0, 0, 0];
  for (const on of places) {
    const [first] = [...on.pods].sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || byAge(a, b));
    if (!on.run) {
      if (on.pods.length) misscheduled++;
      continue;
    }
    desired++;
    if (!first) continue;
    current++;
    if (isReady(first)) ready++;
    if (isAvailable(first, minReady, nowMs)) available++;
    if (on.pods.some((pod) => isUpdated(pod, hash))) updated++;
  }
  const { collisionCount, conditions } = daemonSet.status ?? {};
  return {
    currentNumberScheduled: current,
    desiredNumberScheduled: desired,
    numberMisscheduled: misscheduled,
    numberReady: ready,
    ...(updated ? { updatedNumberScheduled: updated } : {}),
    ...(available ? { numberAvailable: available } : {}),
    ...(desired - available > 0 ? { numberUnavailable: desired - available } : {}),
    observedGeneration: daemonSet.metadata?.generation ?? 0,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions ? { conditions } : {}),
  };
}

/** The pods to create and delete so that every fitting node runs one of the present template. */
export function plan(observed: DaemonObserved, nowMs: number): DaemonPlan {
  const { places, stray } = survey(observed);
  const out: Changes = { create: [], remove: [...stray], ended: [] };
  const status = statusOf(places, observed, nowMs);
  if (!observed.expectationsMet || observed.daemonSet.metadata?.deletionTimestamp) return { create: [], remove: [], ended: [], status };
  const surge = resolveIntOrPercent(observed.daemonSet.spec?.updateStrategy?.rollingUpdate?.maxSurge ?? 0, places.length, 'up') > 0;
  for (const on of places) place(on, observed, surge, nowMs, out);
  if (!out.create.length) roll(places, observed, nowMs, out);
  return { create: out.create.slice(0, burst), remove: out.remove.slice(0, burst), ended: out.ended, status };
}
