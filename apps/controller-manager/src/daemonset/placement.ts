import type { Node, NodeSelectorTerm, Pod, PodSpec, Toleration } from '@orrery/api/types';
import { labelSelectorMatcher } from '@orrery/client';
import { untolerated } from '../nodes/taints.ts';

const exists = (key: string, effect: string): Toleration => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists', effect });

/** What every daemon pod tolerates: it stays on nodes that are in trouble. */
const daemonTolerations: readonly Toleration[] = [
  exists('not-ready', 'NoExecute'),
  exists('unreachable', 'NoExecute'),
  exists('disk-pressure', 'NoSchedule'),
  exists('memory-pressure', 'NoSchedule'),
  exists('pid-pressure', 'NoSchedule'),
  exists('unschedulable', 'NoSchedule'),
];

export function tolerationsFor(spec: PodSpec): Toleration[] {
  const wanted = [...daemonTolerations, ...(spec.hostNetwork ? [exists('network-unavailable', 'NoSchedule')] : [])];
  const own = spec.tolerations ?? [];
  return [...own, ...wanted.filter((w) => !own.some((t) => t.key === w.key && t.effect === w.effect && t.operator === w.operator && t.tolerationSeconds === undefined))];
}

function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  if (!term.matchExpressions?.length && !term.matchFields?.length) return false;
  const labels = labelSelectorMatcher({ matchExpressions: term.matchExpressions ?? [] });
  const fields = labelSelectorMatcher({ matchExpressions: term.matchFields ?? [] });
  return labels(node.metadata?.labels) && fields({ 'metadata.name': node.metadata?.name ?? '' });
}

function affinityMatches(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata?.labels ?? {};
  if (Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms === undefined || terms.some((term) => termMatches(term, node));
}

export interface Placement {
  /** A pod is to be created here. */
  readonly run: boolean;
  /** A pod that is here may stay. */
  readonly stay: boolean;
}

/** Whether a daemon pod of this template belongs on a node. */
export function placement(spec: PodSpec, node: Node): Placement {
  if ((spec.nodeName && spec.nodeName !== node.metadata?.name) || !affinityMatches(spec, node)) return { run: false, stay: false };
  const tolerations = tolerationsFor(spec);
  const taints = node.spec?.taints ?? [];
  if (untolerated(taints, tolerations, ['NoExecute']).length) return { run: false, stay: false };
  return { run: untolerated(taints, tolerations, ['NoSchedule']).length === 0, stay: true };
}

/** The node a daemon pod is on, or is meant for. */
export function nodeOfPod(pod: Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const term of terms) {
    for (const field of term.matchFields ?? []) if (field.key === 'metadata.name' && field.operator === 'In') return field.values?.[0];
  }
  return undefined;
}

/** The spec of the daemon pod of one node: the scheduler binds it there and nowhere else. */
export function pinnedTo(spec: PodSpec, nodeName: string): PodSpec {
  const term: NodeSelectorTerm = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] };
  const nodeAffinity = { ...spec.affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
  return { ...spec, tolerations: tolerationsFor(spec), affinity: { ...spec.affinity, nodeAffinity } };
}
