import type { AttachDiskRequest, CreateDiskRequest, DetachDiskRequest, Disk, DiskRef, ExpandDiskRequest, ModifyDiskRequest } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Instances } from './instances.ts';
import type { Table } from './ledger.ts';
import type { Quotas } from './quotas.ts';
import { createTurns } from './turns.ts';

/** The content of disks and snapshots: a folder each. */
export interface DiskContents {
  /** Where the content of a disk lies on this machine. */
  path(id: string): string;
  /** Makes it, empty or as a copy of another; idempotent. */
  create(id: string, from: string): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface Disks {
  create(request: CreateDiskRequest): Promise<Disk>;
  get(ref: DiskRef): Disk;
  list(attachedTo: string): Disk[];
  delete(ref: DiskRef): Promise<void>;
  attach(request: AttachDiskRequest): Disk;
  detach(request: DetachDiskRequest): Disk;
  expand(request: ExpandDiskRequest): Disk;
  modify(request: ModifyDiskRequest): Disk;
}

export interface DisksOptions {
  readonly table: Table<Disk>;
  readonly quotas: Quotas;
  readonly instances: Instances;
  readonly zones: readonly string[];
  /** How many disks a node takes. */
  readonly perNode: number;
  readonly contents: DiskContents | undefined;
  /** Size of the snapshot in bytes; throws NOT_FOUND. */
  readonly snapshotSize: (id: string) => number;
}

const gib = 2 ** 30;
const types = ['standard', 'fast'];
const largestBytes = 64 * 1024 * gib;

const deviceName = (index: number): string => `/dev/vd${index < 25 ? '' : String.fromCharCode(97 + Math.floor((index - 25) / 26))}${String.fromCharCode(97 + ((index < 25 ? index + 1 : (index - 25) % 26)))}`;

/** The first device name that none of the disks has; vda is what the instance started from. */
function freeDevice(taken: readonly Disk[]): string {
  const names = new Set(taken.map(({ device }) => device));
  for (let i = 0; ; i++) {
    const name = deviceName(i);
    if (!names.has(name)) return name;
  }
}

function checkType(type: string): void {
  if (type && !types.includes(type)) throw new RpcError(Code.INVALID_ARGUMENT, `type: ${type} is none of ${types.join(', ')}`);
}

export function createDisks(env: Env, options: DisksOptions): Disks {
  const { table, quotas, instances, zones, perNode, contents } = options;
  /** Sizes of those whose content is being made, by id: they count, too. */
  const making = new Map<string, number>();
  quotas.counted('disks', () => table.size + making.size);
  quotas.counted('disk-gib', () => [...[...table.values()].map(({ sizeBytes = 0 }) => sizeBytes), ...making.values()].reduce((sum, bytes) => sum + bytes / gib, 0));
  const inTurn = createTurns();
  const byName = (name: string): Disk | undefined => [...table.values()].find((disk) => disk.name === name);
  const find = ({ id = '', name = '' }: DiskRef): Disk | undefined => (id ? table.get(id) : byName(name));
  const found = (ref: DiskRef): Disk => {
    const disk = find(ref);
    if (!disk) throw new RpcError(Code.NOT_FOUND, `disk ${ref.id || ref.name || '""'} does not exist`);
    return disk;
  };
  const describe = (disk: Disk): Disk => (contents ? { ...disk, path: contents.path(disk.id ?? '') } : disk);
  const put = (disk: Disk): Disk => {
    table.put(disk.id ?? '', disk);
    return describe(disk);
  };
  instances.onTerminated(({ name }) => {
    for (const disk of [...table.values()]) if (disk.attachedTo === name) put({ ...disk, attachedTo: '', device: '' });
  });
  const sizeOf = ({ sizeBytes = 0, snapshotId, sourceDiskId }: CreateDiskRequest): number => {
    const least = snapshotId ? options.snapshotSize(snapshotId) : sourceDiskId ? (found({ id: sourceDiskId }).sizeBytes ?? 0) : 0;
    const size = Math.max(1, Math.ceil((sizeBytes || least) / gib)) * gib;
    if (size < least) throw new RpcError(Code.OUT_OF_RANGE, `size_bytes: ${sizeBytes} is less than the ${least} of what it is made of`);
    if (size > largestBytes) throw new RpcError(Code.OUT_OF_RANGE, `size_bytes: ${sizeBytes} is more than the ${largestBytes} a disk can have`);
    return size;
  };
  const wantedOf = (request: CreateDiskRequest) => {
    const { name = '', zone = '', type = '', snapshotId = '', sourceDiskId = '' } = request;
    if (!name) throw new RpcError(Code.INVALID_ARGUMENT, 'name is required');
    if (zone && !zones.includes(zone)) throw new RpcError(Code.INVALID_ARGUMENT, `zone: ${zone} is none of ${zones.join(', ')}`);
    checkType(type);
    if (snapshotId && sourceDiskId) throw new RpcError(Code.INVALID_ARGUMENT, 'snapshot_id and source_disk_id exclude each other');
    return { name, sizeBytes: sizeOf(request), zone: zone || (zones[0] ?? ''), type: type || 'standard', snapshotId, sourceDiskId };
  };
  const make = async (request: CreateDiskRequest): Promise<Disk> => {
    const wanted = wantedOf(request);
    const known = byName(wanted.name);
    if (known) {
      const differs = (Object.keys(wanted) as (keyof typeof wanted)[]).find((key) => (key === 'sizeBytes' ? (known.sizeBytes ?? 0) < wanted.sizeBytes : known[key] !== wanted[key]));
      if (differs) throw new RpcError(Code.ALREADY_EXISTS, `disk ${wanted.name} exists with another ${differs.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}: ${String(known[differs])}`);
      return describe(known);
    }
    quotas.take('disks');
    quotas.take('disk-gib', wanted.sizeBytes / gib);
    const id = `d-${env.random.uuid().replaceAll('-', '').slice(0, 12)}`;
    making.set(id, wanted.sizeBytes);
    try {
      await contents?.create(id, wanted.snapshotId || wanted.sourceDiskId);
    } finally {
      making.delete(id);
    }
    return put({ id, ...wanted, labels: request.labels ?? {}, attachedTo: '', device: '', createdMs: env.clock.now() });
  };
  return {
    create: (request) => inTurn(request.name ?? '', () => make(request)),
    get: (ref) => describe(found(ref)),
    list: (attachedTo) => [...table.values()].filter((disk) => !attachedTo || disk.attachedTo === attachedTo).map(describe),
    async delete(ref) {
      const disk = find(ref);
      if (!disk?.id) return;
      if (disk.attachedTo) throw new RpcError(Code.FAILED_PRECONDITION, `disk ${disk.id} is attached to ${disk.attachedTo}`);
      table.delete(disk.id);
      await contents?.remove(disk.id);
    },
    attach({ diskId = '', node = '' }) {
      const disk = found({ id: diskId });
      if (!node) throw new RpcError(Code.INVALID_ARGUMENT, 'node is required');
      if (disk.attachedTo === node) return describe(disk);
      if (disk.attachedTo) throw new RpcError(Code.FAILED_PRECONDITION, `disk ${diskId} is attached to ${disk.attachedTo}`);
      const zone = instances.named(node)?.zone;
      if (zone && zone !== disk.zone) throw new RpcError(Code.FAILED_PRECONDITION, `disk ${diskId} is in zone ${disk.zone ?? ''}, node ${node} in ${zone}`);
      const others = [...table.values()].filter(({ attachedTo }) => attachedTo === node);
      if (others.length >= perNode) throw new RpcError(Code.RESOURCE_EXHAUSTED, `node ${node} has ${others.length} disks, which is all it takes`);
      return put({ ...disk, attachedTo: node, device: freeDevice(others) });
    },
    detach({ diskId = '', node = '' }) {
      const disk = found({ id: diskId });
      return disk.attachedTo && (!node || disk.attachedTo === node) ? put({ ...disk, attachedTo: '', device: '' }) : describe(disk);
    },
    expand({ diskId = '', sizeBytes = 0 }) {
      const disk = found({ id: diskId });
      const size = Math.ceil(sizeBytes / gib) * gib;
      const now = disk.sizeBytes ?? 0;
      if (size < now) throw new RpcError(Code.OUT_OF_RANGE, `size_bytes: ${sizeBytes} is less than the ${now} it has`);
      if (size > largestBytes) throw new RpcError(Code.OUT_OF_RANGE, `size_bytes: ${sizeBytes} is more than the ${largestBytes} a disk can have`);
      quotas.take('disk-gib', (size - now) / gib);
      return size === now ? describe(disk) : put({ ...disk, sizeBytes: size });
    },
    modify({ diskId = '', type = '' }) {
      const disk = found({ id: diskId });
      checkType(type);
      return !type || type === disk.type ? describe(disk) : put({ ...disk, type });
    },
  };
}
