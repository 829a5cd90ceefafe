import type { Requirement, Selector } from '@orrery/apimachinery';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

/** Pods and the nodes they are on. */
export type PlacedPods = ReadonlyMap<PodInfo, NodeInfo>;

/** Pods on nodes by namespace and label, so that who counts a few of many pods need not look at all. */
export interface LabelIndex {
  add(pod: PodInfo, node: NodeInfo): void;
  remove(pod: PodInfo): void;
  /** Pods of a namespace with this value of a label. */
  labelled(namespace: string, key: string, value: string): PlacedPods;
}

const none: PlacedPods = new Map();

/** By namespace, key and value. */
type Entries = Map<string, Map<string, Map<string, Map<PodInfo, NodeInfo>>>>;

function mapAt<K, V>(maps: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let found = maps.get(key);
  if (!found) maps.set(key, (found = new Map()));
  return found;
}

export function createLabelIndex(): LabelIndex {
  const entries: Entries = new Map();
  return {
    add(pod, node) {
      const { namespace = '', labels } = pod.pod.metadata ?? {};
      if (!labels) return;
      const byKey = mapAt(entries, namespace);
      for (const key in labels) mapAt(mapAt(byKey, key), labels[key] ?? '').set(pod, node);
    },
    remove(pod) {
      const { namespace = '', labels } = pod.pod.metadata ?? {};
      const byKey = entries.get(namespace);
      for (const key in labels) {
        const byValue = byKey?.get(key);
        const value = labels[key] ?? '';
        const known = byValue?.get(value);
        if (!known?.delete(pod) || known.size > 0) continue;
        byValue?.delete(value);
        if (byValue?.size === 0) byKey?.delete(key);
      }
      if (byKey?.size === 0) entries.delete(namespace);
    },
    labelled: (namespace, key, value) => entries.get(namespace)?.get(key)?.get(value) ?? none,
  };
}

const asksOneValue = ({ operator, values }: Requirement): boolean => (operator === '=' || operator === '==' || operator === 'in') && values.length === 1;

/** The fewest pods among which all are that a selector can match in a namespace; undefined when the index does not narrow it. */
export function narrowed(index: Pick<LabelIndex, 'labelled'>, selector: Selector, namespace: string): PlacedPods | undefined {
  let least: PlacedPods | undefined;
  for (const requirement of selector.requirements) {
    if (!asksOneValue(requirement)) continue;
    const found = index.labelled(namespace, requirement.key, requirement.values[0] ?? '');
    if (!least || found.size < least.size) least = found;
  }
  return least;
}
