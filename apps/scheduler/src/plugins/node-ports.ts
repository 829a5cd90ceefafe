import type { HostPort } from '../cache/pod-info.ts';
import { skip, unschedulable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';

const refused = unschedulable("node(s) didn't have free ports for the requested pod ports");

function clash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');
}

/** Host ports are taken once a node. */
export const nodePorts = definePlugin({
  name: 'NodePorts',
  create: () => ({
    name: 'NodePorts',
    local: true,
    events: [
      { resource: 'AssignedPod', actions: ['Delete'] },
      { resource: 'Node', actions: ['Add'] },
    ],
    preFilter: (_state, pod) => (pod.hostPorts.length ? undefined : skip),
    filter: (_state, pod, node) => (pod.hostPorts.some((port) => node.hostPorts.some((taken) => clash(port, taken))) ? refused : undefined),
  }),
});
