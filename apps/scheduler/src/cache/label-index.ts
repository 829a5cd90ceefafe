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

const entryOf = (namespace: string, key: string, value: string): string => `${namespace}/${key}=${value}`;

export function createLabelIndex(): LabelIndex {
  const entries = new Map<string, Map<PodInfo, NodeInfo>>();
  const entriesOf = ({ pod }: PodInfo): string[] => Object.entries(pod.metadata?.labels ?? {}).map(([key, value]) => entryOf(pod.metadata?.namespace ?? '', key, value));
  return {
    add(pod, node) {
      for (const entry of entriesOf(pod)) {
        const known = entries.get(entry);
        if (known) known.set(pod, node);
        else entries.set(entry, new Map([[pod, node]]));
      }
    },
    remove(pod) {
      for (const entry of entriesOf(pod)) {
        const known = entries.get(entry);
        if (known?.delete(pod) && known.size === 0) entries.delete(entry);
      }
    },
    labelled: (namespace, key, value) => entries.get(entryOf(namespace, key, value)) ?? none,
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
