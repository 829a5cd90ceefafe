import { Leases } from '@orrery/api';
import type { Lease } from '@orrery/api/types';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { rfc3339Micro } from '@orrery/runtime';
import type { PluginContext } from '../pipeline/index.ts';

const namespace = 'kube-system';
const label = 'apiserver.kubernetes.io/identity';
/** How long an identity lasts that nobody renews, and how often the remains are cleared away; as upstream. */
const durationSeconds = 3600;
const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

function toBase32(bytes: Uint8Array): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map((chunk) => base32[Number.parseInt(chunk, 2)]).join('');
}

/** `apiserver-` and a hash of what tells this server from others. */
async function identityOf(who: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', Buffer.from(who)));
  return `apiserver-${toBase32(digest.subarray(0, 16))}`;
}

/** The Lease by which one sees which API servers there are: `kubectl -n kube-system get lease -l apiserver.kubernetes.io/identity`. */
export interface IdentityLease {
  renew(): Promise<void>;
  /** Removes the leases of servers that are long gone. */
  collect(): Promise<void>;
}

export function identityLease(context: Pick<PluginContext, 'api' | 'env' | 'read'>, who: { address: string; port: number }): IdentityLease {
  const { api, env, read } = context;
  const host = `${who.address}:${who.port}`;
  let holder: string | undefined;

  const spec = (name: string): Lease['spec'] => {
    holder ??= `${name}_${env.random.uuid()}`;
    return { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime: rfc3339Micro(env.clock.now()) };
  };

  return {
    async renew() {
      const name = await identityOf(host);
      const existing = read.get(Leases, { namespace, name });
      const labels = { [label]: 'kube-apiserver', 'kubernetes.io/hostname': who.address };
      try {
        if (existing) await api.update(Leases, { ...existing, spec: { ...existing.spec, ...spec(name) } });
        else await api.create(Leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace, labels }, spec: spec(name) });
      } catch (error) {
        // The cache was behind: the next round sees what is there.
        if (!isConflict(error) && !isAlreadyExists(error) && !isNotFound(error)) throw error;
      }
    },
    async collect() {
      const own = await identityOf(host);
      for (const lease of read.list(Leases, namespace)) {
        if (lease.metadata?.name === own || lease.metadata?.labels?.[label] !== 'kube-apiserver') continue;
        const renewed = Date.parse(String(lease.spec?.renewTime ?? ''));
        if (env.clock.now() < renewed + (lease.spec?.leaseDurationSeconds ?? 0) * 1000) continue;
        const { name = '', uid } = lease.metadata;
        await api.delete(Leases, { namespace, name }, { preconditions: { ...(uid ? { uid } : {}) } }).catch((error: unknown) => {
          if (!isNotFound(error) && !isConflict(error)) throw error;
        });
      }
    },
  };
}
