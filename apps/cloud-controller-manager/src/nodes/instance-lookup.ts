import type { Node, NodeAddress } from '@orrery/api/types';
import type { Instance } from '@orrery/proto/cloud';
import { Code, type Client, RpcError } from '@orrery/rpc';
import type { InstancesDefinition } from '@orrery/proto/cloud';

export type InstancesClient = Client<typeof InstancesDefinition>;

export const providerScheme = 'orrery://';
export const uninitializedTaint = 'node.cloudprovider.kubernetes.io/uninitialized';
export const shutdownTaint = 'node.cloudprovider.kubernetes.io/shutdown';

export const isUninitialized = (node: Node): boolean => node.spec?.taints?.some(({ key }) => key === uninitializedTaint) ?? false;

/** Nodes of other clouds, and those that never were of any, are not ours to judge. */
export function isOurs({ spec }: Node): boolean {
  return spec?.providerID?.startsWith(providerScheme) ?? false;
}

/** The instance of a node: by its provider ID if it has one, else by its name. undefined when there is none. */
export async function instanceOf(instances: InstancesClient, { metadata, spec }: Node): Promise<Instance | undefined> {
  const { providerID } = spec ?? {};
  try {
    return await instances.get(providerID ? { providerId: providerID } : { name: metadata?.name ?? '' });
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.NOT_FOUND) return undefined;
    throw error;
  }
}

/** What the cloud knows of an instance's addresses. */
export function addressesOf({ privateIp = '', privateIpv6 = '', publicIp = '', name = '' }: Instance): NodeAddress[] {
  return [
    ...(privateIp ? [{ type: 'InternalIP', address: privateIp }] : []),
    ...(privateIpv6 ? [{ type: 'InternalIP', address: privateIpv6 }] : []),
    ...(publicIp ? [{ type: 'ExternalIP', address: publicIp }] : []),
    { type: 'Hostname', address: name },
  ];
}
