import { Nodes } from '@orrery/api';
import type { Binding, Pod } from '@orrery/api/types';
import type { AdmissionPlugin, ObjectReader } from '../pipeline/index.ts';
import { wants } from './match.ts';

const labels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** Pods learn by labels in which zone and region they run. */
export function podTopologyLabels(read: ObjectReader): AdmissionPlugin {
  const found = (node: string | undefined): [string, string][] => {
    const own = node ? read.get(Nodes, { name: node })?.metadata?.labels : undefined;
    return labels.flatMap((key): [string, string][] => (own?.[key] === undefined ? [] : [[key, own[key]]]));
  };
  return {
    name: 'PodTopologyLabels',
    handles: wants({ resource: 'pods', operations: ['CREATE'] }, { resource: 'pods', subresource: 'binding', operations: ['CREATE'] }),
    admit(attributes) {
      const object = attributes.object as Pod & Binding;
      const node = attributes.subresource === 'binding' ? object.target?.name : object.spec?.nodeName;
      const topology = found(node);
      if (topology.length) attributes.object.metadata = { ...object.metadata, labels: { ...object.metadata?.labels, ...Object.fromEntries(topology) } };
    },
  };
}
