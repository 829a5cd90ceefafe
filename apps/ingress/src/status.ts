import { Ingresses } from '@orrery/api';
import { dns1123Subdomain } from '@orrery/apimachinery';
import type { Ingress } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import { parseIp } from '@orrery/vnet';

/** What an Ingress's status says of `addresses`: IP addresses and host names, with commas. Throws a TypeError for what is neither. */
export function statusEntries(addresses: string): ({ ip: string } | { hostname: string })[] {
  return addresses.split(',').map((part) => {
    const address = part.trim();
    if (parseIp(address)) return { ip: address };
    // Digits and dots alone were meant for an address.
    if (/^[\d.]*$/.test(address) || dns1123Subdomain(address).length) throw new TypeError(`${JSON.stringify(address)} is neither an IP address nor a host name`);
    return { hostname: address };
  });
}

/** Writes the proxy's addresses into an Ingress's status unless they are there. */
export async function publishAddress(api: ApiClient, ingress: Ingress, wanted: ReturnType<typeof statusEntries>): Promise<void> {
  const present = ingress.status?.loadBalancer?.ingress?.map(({ ip, hostname }) => (ip ? { ip } : { hostname }));
  if (JSON.stringify(present) === JSON.stringify(wanted)) return;
  const { name = '', namespace = '' } = ingress.metadata ?? {};
  try {
    await api.patch(Ingresses, { namespace, name }, { status: { loadBalancer: { ingress: wanted } } }, { type: 'application/merge-patch+json', subresource: 'status' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
