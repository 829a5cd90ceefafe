import type { CreateSnapshotRequest, Snapshot, SnapshotRef } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { DiskContents, Disks } from './disks.ts';
import type { Table } from './ledger.ts';
import type { Quotas } from './quotas.ts';
import { createTurns } from './turns.ts';

export interface Snapshots {
  create(request: CreateSnapshotRequest): Promise<Snapshot>;
  get(ref: SnapshotRef): Snapshot;
  list(diskId: string): Snapshot[];
  delete(ref: SnapshotRef): Promise<void>;
}

export interface SnapshotsOptions {
  readonly table: Table<Snapshot>;
  readonly quotas: Quotas;
  readonly disks: () => Disks;
  readonly contents: DiskContents | undefined;
}

/** Copies of disks. They outlive the disk. */
export function createSnapshots(env: Env, { table, quotas, disks, contents }: SnapshotsOptions): Snapshots {
  /** Those whose content is being copied count, too. */
  let making = 0;
  quotas.counted('snapshots', () => table.size + making);
  const find = ({ id = '', name = '' }: SnapshotRef): Snapshot | undefined => (id ? table.get(id) : [...table.values()].find((one) => one.name === name));
  const inTurn = createTurns();
  const make = async ({ name = '', diskId = '', labels = {} }: CreateSnapshotRequest): Promise<Snapshot> => {
    if (!name) throw new RpcError(Code.INVALID_ARGUMENT, 'name is required');
    const known = find({ name });
    if (known && known.diskId !== diskId) throw new RpcError(Code.ALREADY_EXISTS, `snapshot ${name} exists, of disk ${known.diskId ?? ''}`);
    if (known) return known;
    const { sizeBytes = 0, zone = '' } = disks().get({ id: diskId });
    quotas.take('snapshots');
    const id = `s-${env.random.uuid().replaceAll('-', '').slice(0, 12)}`;
    making++;
    try {
      await contents?.create(id, diskId);
    } finally {
      making--;
    }
    const snapshot: Snapshot = { id, name, diskId, sizeBytes, zone, labels, createdMs: env.clock.now(), ready: true };
    table.put(id, snapshot);
    return snapshot;
  };
  return {
    create: (request) => inTurn(request.name ?? '', () => make(request)),
    get(ref) {
      const snapshot = find(ref);
      if (!snapshot) throw new RpcError(Code.NOT_FOUND, `snapshot ${ref.id || ref.name || '""'} does not exist`);
      return snapshot;
    },
    list: (diskId) => [...table.values()].filter((one) => !diskId || one.diskId === diskId),
    async delete(ref) {
      const snapshot = find(ref);
      if (!snapshot?.id) return;
      table.delete(snapshot.id);
      await contents?.remove(snapshot.id);
    },
  };
}
