import type { Service } from '@orrery/api/types';
import { type Routing, type ProxyNode, route } from '../model/endpoints.ts';
import { servicePorts } from '../model/service-port.ts';

/** Routings of a service `ns1/svc1:p80` at 10.20.30.41:80 with endpoints `ip@node`, of port 80, for tests of what is rendered. */
export function routingsOf(spec: Service['spec'], endpoints: readonly string[], options: { node?: ProxyNode; status?: Service['status'] } = {}): Routing[] {
  const service: Service = {
    metadata: { namespace: 'ns1', name: 'svc1' },
    spec: { type: 'ClusterIP', clusterIP: '10.20.30.41', clusterIPs: ['10.20.30.41'], ports: [{ name: 'p80', port: 80, protocol: 'TCP' }], ...spec },
    status: options.status ?? {},
  };
  const all = endpoints.map((text) => {
    const [ip = '', nodeName = ''] = text.split('@');
    return { ip, port: 80, nodeName, ready: true, serving: true, terminating: false, forNodes: [], forZones: [] };
  });
  return servicePorts(service).map((port) => route(port, all, options.node ?? { name: 'here' }));
}
