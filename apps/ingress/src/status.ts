import { Ingresses } from '@orrery/api';
import type { Ingress } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';

/** Writes the proxy's address into an Ingress's status unless it is there. */
export async function publishAddress(api: ApiClient, ingress: Ingress, address: string): Promise<void> {
  const wanted = [{ ip: address }];
  const present = ingress.status?.loadBalancer?.ingress?.map(({ ip }) => ({ ip }));
  if (JSON.stringify(present) === JSON.stringify(wanted)) return;
  const { name = '', namespace = '' } = ingress.metadata ?? {};
  try {
    await api.patch(Ingresses, { namespace, name }, { status: { loadBalancer: { ingress: wanted } } }, { type: 'application/merge-patch+json', subresource: 'status' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
