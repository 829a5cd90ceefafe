import { Leases } from '@orrery/api';
import type { Lease, Node } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { type Env, rfc3339Micro } from '@orrery/runtime';

const namespace = 'kube-node-lease';

/** The node's lease: renewed while the kubelet lives; when it runs out the node counts as lost. */
export class NodeLease {
  private readonly env: Env;
  private readonly options: { api: ApiClient; nodeName: string; durationSeconds: number; owner: () => Node };
  private lease: Lease | undefined;
  private renewing = false;

  constructor(env: Env, options: { api: ApiClient; nodeName: string; durationSeconds: number; owner: () => Node }) {
    this.env = env;
    this.options = options;
  }

  /** Renews it, creating it first if need be. Never rejects: the next renewal tries again. */
  async renew(): Promise<void> {
    if (this.renewing) return;
    this.renewing = true;
    try {
      this.lease = await this.write();
    } catch (error) {
      this.lease = undefined;
      this.env.log.warn('node lease was not renewed', { node: this.options.nodeName, error: (error as Error).message });
    } finally {
      this.renewing = false;
    }
  }

  private async write(): Promise<Lease> {
    const { api, nodeName } = this.options;
    const known = this.lease ?? (await this.read());
    if (known) return api.update(Leases, { ...known, spec: this.spec() });
    const { uid = '' } = this.options.owner().metadata ?? {};
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }];
    try {
      return await api.create(Leases, { metadata: { name: nodeName, namespace, ownerReferences }, spec: this.spec() });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return api.get(Leases, { namespace, name: nodeName });
    }
  }

  private read(): Promise<Lease | undefined> {
    return this.options.api.get(Leases, { namespace, name: this.options.nodeName }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  }

  private spec(): NonNullable<Lease['spec']> {
    const { nodeName, durationSeconds } = this.options;
    return { holderIdentity: nodeName, leaseDurationSeconds: durationSeconds, renewTime: rfc3339Micro(this.env.clock.now()) };
  }
}
