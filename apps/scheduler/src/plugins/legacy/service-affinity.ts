import { Services } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { skip, unschedulable } from '../../framework/status.ts';
import { definePlugin, maxNodeScore } from '../../framework/types.ts';

export interface ServiceAffinityArgs {
  /** The pods of a service all go to nodes with one value of each of these labels. */
  readonly affinityLabels?: readonly string[];
  /** They are spread over the values of these. */
  readonly antiAffinityLabelsPreference?: readonly string[];
}

const name = 'ServiceAffinity';
const scoreKey = `${name}/score`;
const refused = unschedulable("node(s) didn't match service affinity");

const matches = (selector: Readonly<Record<string, string>>, { metadata }: Pod): boolean => Object.entries(selector).every(([label, value]) => metadata?.labels?.[label] === value);

/** The policies CheckServiceAffinity and ServiceAntiAffinity. */
export const serviceAffinity = definePlugin<ServiceAffinityArgs>({
  name,
  create({ informers, snapshot, tell }, { affinityLabels = [], antiAffinityLabelsPreference = [] }) {
    const services = informers.informer(Services);
    services.addHandlers({
      add: (object) => tell({ resource: 'Service', action: 'Add', object }),
      update: (object, old) => tell({ resource: 'Service', action: 'Update', object, old }),
      delete: (object) => tell({ resource: 'Service', action: 'Delete', object }),
    });
    /** Selectors of the services that a pod belongs to. */
    const selectorsFor = (pod: Pod): Readonly<Record<string, string>>[] =>
      [...services.byIndex('namespace', pod.metadata?.namespace ?? '')].flatMap(({ spec }) => (spec?.selector && Object.keys(spec.selector).length && matches(spec.selector, pod) ? [spec.selector] : []));
    /** Nodes of the other pods of the pod's first service. */
    const siblings = (pod: Pod, nodes: readonly NodeInfo[]): NodeInfo[] => {
      const [selector] = selectorsFor(pod);
      if (!selector) return [];
      return nodes.flatMap((node) => [...node.pods.values()].flatMap((other) => (other.pod.metadata?.namespace === pod.metadata?.namespace && matches(selector, other.pod) ? [node] : [])));
    };
    const wantedLabels = (pod: Pod, { nodes }: Snapshot): Record<string, string> => {
      const wanted: Record<string, string> = {};
      for (const label of affinityLabels) {
        const own = pod.spec?.nodeSelector?.[label];
        if (own !== undefined) wanted[label] = own;
      }
      if (Object.keys(wanted).length === affinityLabels.length) return wanted;
      const [first] = siblings(pod, nodes);
      for (const label of affinityLabels) {
        const value = first?.labels[label];
        if (wanted[label] === undefined && value !== undefined) wanted[label] = value;
      }
      return wanted;
    };
    return {
      name,
      events: [
        { resource: 'AssignedPod', actions: ['Add', 'Update', 'Delete'] },
        { resource: 'Node', actions: ['Add', 'Update'] },
        { resource: 'Service', actions: ['Add', 'Update', 'Delete'] },
      ],
      preFilter(state, { pod }, around) {
        if (affinityLabels.length === 0) return skip;
        state.set(name, Object.entries(wantedLabels(pod, around)));
        return undefined;
      },
      filter: (state, _pod, { labels }) => ((state.get(name) as [string, string][]).every(([label, value]) => labels[label] === value) ? undefined : refused),
      preScore(state, { pod }) {
        if (antiAffinityLabelsPreference.length === 0) return skip;
        state.set(scoreKey, siblings(pod, snapshot().nodes));
        return undefined;
      },
      /** The mean over the labels of how few of the service's pods share the node's value. */
      score(state, _pod, node) {
        const others = state.get(scoreKey) as readonly NodeInfo[];
        let total = 0;
        for (const label of antiAffinityLabelsPreference) {
          const value = node.labels[label];
          if (value === undefined) continue;
          const alike = others.filter(({ labels }) => labels[label] === value).length;
          total += others.length === 0 ? maxNodeScore : (maxNodeScore * (others.length - alike)) / others.length;
        }
        return Math.floor(total / antiAffinityLabelsPreference.length);
      },
    };
  },
});
