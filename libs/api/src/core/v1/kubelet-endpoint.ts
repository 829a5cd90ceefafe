import type { Node } from '../../../gen/types.ts';
import { internalError } from '@orrery/errors';

const endpointAnnotation = 'orrery.dev/kubelet-endpoint';
const defaultPort = 10250;
const preferredAddresses = ['InternalIP', 'ExternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS'];

/** Where a node's kubelet listens: what the node's annotation says (emulated nodes), otherwise its address and published port. */
export function kubeletEndpoint(node: Node): { readonly host: string; readonly port: number } {
  const stated = node.metadata?.annotations?.[endpointAnnotation];
  const match = stated === undefined ? null : /^\[?([^\]]+?)\]?:(\d+)$/.exec(stated);
  if (match) return { host: match[1] ?? '', port: Number(match[2]) };
  const addresses = node.status?.addresses ?? [];
  const found = preferredAddresses.map((type) => addresses.find((address) => address.type === type)).find((address) => address !== undefined);
  if (!found) throw internalError(new Error(`no preferred addresses found; known addresses: [${addresses.map((address) => address.address).join(' ')}]`));
  return { host: found.address ?? '', port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || defaultPort };
}
