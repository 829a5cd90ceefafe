import type { IPAddress, Service } from '@orrery/api/types';
import { familyOf } from './ip-range.ts';

const familyLabel = 'ipaddress.kubernetes.io/ip-family';
const managerLabel = 'ipaddress.kubernetes.io/managed-by';
const allocator = 'ipallocator.k8s.io';

/** The IPAddress that says which Service has an address; `ip` in its one spelling. */
export function addressFor(ip: string, owner: Service): IPAddress {
  return {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: { name: ip, labels: { [familyLabel]: familyOf(ip), [managerLabel]: allocator } },
    spec: { parentRef: { group: '', resource: 'services', namespace: owner.metadata?.namespace ?? '', name: owner.metadata?.name ?? '' } },
  };
}

/** Did the allocator make it, or does it say so? */
export const isAllocated = ({ metadata }: IPAddress): boolean => metadata?.labels?.[managerLabel] === allocator;

export function hasLabels(address: IPAddress): boolean {
  const { name = '', labels } = address.metadata ?? {};
  return isAllocated(address) && labels?.[familyLabel] === familyOf(name);
}
