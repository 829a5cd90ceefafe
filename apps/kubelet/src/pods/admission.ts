import type { Node, NodeSelector, NodeSelectorTerm, Pod, Taint, Toleration } from '@orrery/api/types';
import { type Operator, selectorOf } from '@orrery/apimachinery';
import { type Amounts, type NodeLedger, amountOf, hostPorts, podRequests } from './pod-resources.ts';

/** Why the node does not take a pod; becomes its status. */
export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

/** Why and how the kubelet ends a pod that the API server wants to run. */
export interface Eviction {
  readonly reason: string;
  readonly message: string;
  readonly graceSeconds: number;
  /** An Event of the same reason and message. */
  readonly event?: boolean;
  /** The pod is told to be the target of a disruption. */
  readonly disruption?: boolean;
}

const rejected = (reason: string, message: string): Rejection => ({ reason, message: `Pod was rejected: ${message}` });

const operators: Readonly<Record<string, Operator>> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!', Gt: 'gt', Lt: 'lt' };

function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const matches = (labels: Readonly<Record<string, string>>, expressions: typeof matchExpressions): boolean =>
    expressions.every(({ key, operator, values = [] }) => {
      const op = operators[operator];
      return op !== undefined && selectorOf([{ key, operator: op, values }]).matches(labels);
    });
  return matches(node.metadata?.labels ?? {}, matchExpressions) && matches({ 'metadata.name': node.metadata?.name ?? '' }, matchFields);
}

/** Any term matches. */
export function nodeMatches(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => termMatches(term, node));
}

function affinityMatches(pod: Pod, node: Node): boolean {
  const labels = node.metadata?.labels ?? {};
  if (!Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms === undefined || terms.some((term) => termMatches(term, node));
}

export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(({ effect, key, operator = 'Equal', value = '' }) => {
    if (effect && effect !== taint.effect) return false;
    if (key && key !== taint.key) return false;
    return operator === 'Exists' || (Boolean(key) && value === (taint.value ?? ''));
  });
}

/** How much of what a pod asks for the node does not have. */
export function shortfall(pod: Pod, node: Node, ledger: NodeLedger): Amounts {
  const missing: Amounts = new Map();
  for (const { name, requested, used, capacity } of demands(pod, node, ledger)) if (used + requested > capacity) missing.set(name, used + requested - capacity);
  return missing;
}

/** Extended resources that the node knows nothing of are others' business: an extender's, or devices that a claim has been given. */
const isOfNode = (name: string, allocatable: Readonly<Record<string, string>>): boolean => !name.includes('/') || allocatable[name] !== undefined;

/** What the pod asks for, first its own place, beside what the node has of it. */
function demands(pod: Pod, { status }: Node, ledger: NodeLedger): { name: string; requested: number; used: number; capacity: number }[] {
  const { allocatable = {} } = status ?? {};
  const capacityOf = (name: string): number => amountOf(name, allocatable[name] ?? '0');
  const found = [{ name: 'pods', requested: 1, used: ledger.count, capacity: capacityOf('pods') }];
  for (const [name, requested] of podRequests(pod)) {
    if (requested === 0 || name === 'pods' || !isOfNode(name, allocatable)) continue;
    found.push({ name, requested, used: ledger.used(name), capacity: capacityOf(name) });
  }
  return found;
}

/**
 * Whether the node takes a pod that was bound to it, given what it has taken so far: resources, node affinity, ports,
 * NoExecute taints, operating system; in upstream's order and words.
 */
export function admitPod(pod: Pod, node: Node, ledger: NodeLedger): Rejection | undefined {
  for (const { name, requested, used, capacity } of demands(pod, node, ledger)) {
    if (used + requested > capacity) {
      return rejected(`OutOf${name}`, `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`);
    }
  }
  return mismatch(pod, node, ledger);
}

/** What speaks against a pod on the node that no amount of resources mends. */
export function mismatch(pod: Pod, node: Node, ledger: NodeLedger): Rejection | undefined {
  if (!affinityMatches(pod, node)) return rejected('NodeAffinity', 'Predicate NodeAffinity failed: node(s) didn\'t match Pod\'s node affinity/selector');
  if (ledger.conflictsWith(hostPorts(pod))) return rejected('NodePorts', 'Predicate NodePorts failed: node(s) didn\'t have free ports for the requested pod ports');
  const untolerated = (node.spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute' && !tolerates(pod.spec?.tolerations ?? [], taint));
  if (untolerated) return rejected('TaintToleration', 'Predicate TaintToleration failed: node(s) had untolerated taint(s)');
  const os = pod.spec?.os?.name;
  if (os && node.metadata?.labels?.['kubernetes.io/os'] !== os) return rejected('PodOSNotSupported', 'Failed to admit pod as the OS field doesn\'t match node OS');
  return undefined;
}
