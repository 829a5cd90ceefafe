import { type Disk, DisksDefinition, OperationsDefinition, type Snapshot } from '@orrery/proto/cloud';
import { type CapacityRange, ControllerDefinition, ControllerServiceCapability_RPC_Type as Rpc, type CreateVolumeRequest, type Snapshot as CsiSnapshot, type TopologyRequirement, type Volume, type VolumeCapability, VolumeCapability_AccessMode_Mode as Mode } from '@orrery/proto/csi';
import { type Channel, Code, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import { zoneKey } from '../names.ts';

const abilities = [Rpc.CREATE_DELETE_VOLUME, Rpc.PUBLISH_UNPUBLISH_VOLUME, Rpc.LIST_VOLUMES, Rpc.LIST_VOLUMES_PUBLISHED_NODES, Rpc.CREATE_DELETE_SNAPSHOT, Rpc.LIST_SNAPSHOTS, Rpc.CLONE_VOLUME, Rpc.EXPAND_VOLUME, Rpc.GET_CAPACITY, Rpc.MODIFY_VOLUME];
const defaultBytes = 2 ** 30;
const oneNode: readonly number[] = [Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_READER_ONLY, Mode.SINGLE_NODE_SINGLE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER];
const capacityType = 'type';

const invalid = (message: string): RpcError => new RpcError(Code.INVALID_ARGUMENT, message);

function required(value: string | undefined, field: string): string {
  if (!value) throw invalid(`${field} is required`);
  return value;
}

/** Why a disk cannot be used like this; undefined when it can. */
function unsupported(capabilities: readonly VolumeCapability[]): string | undefined {
  for (const { accessMode } of capabilities) {
    const mode = accessMode?.mode ?? Mode.UNKNOWN;
    if (!oneNode.includes(mode)) return `volume_capabilities: access mode ${Object.entries(Mode).find(([, value]) => value === mode)?.[0] ?? mode} is not supported: one node at a time can have a disk`;
  }
  return undefined;
}

function checkCapabilities(capabilities: readonly VolumeCapability[] | undefined): void {
  if (!capabilities?.length) throw invalid('volume_capabilities is required');
  const problem = unsupported(capabilities);
  if (problem) throw invalid(problem);
}

function sizeOf(range: CapacityRange | undefined): number {
  const { requiredBytes = 0, limitBytes = 0 } = range ?? {};
  const size = Math.ceil((requiredBytes || Math.min(limitBytes || defaultBytes, defaultBytes)) / defaultBytes) * defaultBytes;
  if (limitBytes && size > limitBytes) throw new RpcError(Code.OUT_OF_RANGE, `capacity_range: whole GiB are ${size} bytes, more than the limit of ${limitBytes}`);
  return size;
}

/** The first zone that is preferred, else required; empty when none is asked for. */
function zoneOf(requirement: TopologyRequirement | undefined): string {
  const { preferred = [], requisite = [] } = requirement ?? {};
  const zones = [...preferred, ...requisite].flatMap(({ segments }) => segments?.[zoneKey] ?? []);
  if ((preferred.length || requisite.length) && !zones.length) throw new RpcError(Code.RESOURCE_EXHAUSTED, `accessibility_requirements: none names ${zoneKey}`);
  return zones[0] ?? '';
}

function typeOf(parameters: Readonly<Record<string, string>>, mutable: Readonly<Record<string, string>>): string {
  const unknown = Object.keys({ ...parameters, ...mutable }).find((key) => key !== capacityType);
  if (unknown) throw invalid(`parameters: ${unknown} is none of: ${capacityType}`);
  return mutable[capacityType] ?? parameters[capacityType] ?? '';
}

function volumeOf({ id = '', sizeBytes = 0, zone = '', snapshotId, sourceDiskId }: Disk): Volume {
  return {
    volumeId: id,
    capacityBytes: sizeBytes,
    volumeContext: {},
    accessibleTopology: [{ segments: { [zoneKey]: zone } }],
    ...(snapshotId ? { contentSource: { type: { $case: 'snapshot' as const, value: { snapshotId } } } } : sourceDiskId ? { contentSource: { type: { $case: 'volume' as const, value: { volumeId: sourceDiskId } } } } : {}),
  };
}

function snapshotOf({ id = '', diskId = '', sizeBytes = 0, createdMs = 0, ready = false }: Snapshot): CsiSnapshot {
  return { snapshotId: id, sourceVolumeId: diskId, sizeBytes, creationTime: new Date(createdMs), readyToUse: ready };
}

/** One page of a list; tokens are places in it. */
function page<T>(items: readonly T[], { maxEntries = 0, startingToken = '' }: { maxEntries?: number | undefined; startingToken?: string | undefined }): { items: T[]; nextToken: string } {
  const from = startingToken ? Number(startingToken) : 0;
  if (!Number.isInteger(from) || from < 0 || from > items.length) throw new RpcError(Code.ABORTED, `starting_token: ${startingToken} is none`);
  const to = maxEntries ? from + maxEntries : items.length;
  return { items: items.slice(from, to), nextToken: to < items.length ? String(to) : '' };
}

const isNotFound = (error: unknown): boolean => error instanceof RpcError && error.code === Code.NOT_FOUND;

/** Nothing instead of NOT_FOUND. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** `csi.v1.Controller` of the emulated cloud's disks. Codes are those of the CSI specification. */
export function controllerService(cloud: Channel): ServedService {
  const disks = createClient(DisksDefinition, cloud);
  const operations = createClient(OperationsDefinition, cloud);

  const create = async (request: CreateVolumeRequest): Promise<Volume> => {
    const name = required(request.name, 'name');
    checkCapabilities(request.volumeCapabilities);
    const source = request.volumeContentSource?.type;
    const from = source?.$case === 'snapshot' ? { snapshotId: required(source.value.snapshotId, 'volume_content_source.snapshot.snapshot_id') } : source ? { sourceDiskId: required(source.value.volumeId, 'volume_content_source.volume.volume_id') } : {};
    const disk = { name, sizeBytes: sizeOf(request.capacityRange), zone: zoneOf(request.accessibilityRequirements), type: typeOf(request.parameters ?? {}, request.mutableParameters ?? {}), ...from };
    return volumeOf(await disks.create(disk));
  };
  return service(ControllerDefinition, {
    createVolume: async (request) => ({ volume: await create(request) }),
    async deleteVolume({ volumeId }) {
      await disks.delete({ id: required(volumeId, 'volume_id') });
      return {};
    },
    async controllerPublishVolume({ volumeId, nodeId, volumeCapability, readonly = false }) {
      const [diskId, node] = [required(volumeId, 'volume_id'), required(nodeId, 'node_id')];
      if (!volumeCapability) throw invalid('volume_capability is required');
      checkCapabilities([volumeCapability]);
      if (readonly) throw invalid('readonly: disks are not attached for reading only');
      const { device = '', path = '', sizeBytes = 0 } = await disks.attach({ diskId, node });
      return { publishContext: { device, source: path, sizeBytes: String(sizeBytes) } };
    },
    async controllerUnpublishVolume({ volumeId, nodeId = '' }) {
      await unlessGone(disks.detach({ diskId: required(volumeId, 'volume_id'), node: nodeId }));
      return {};
    },
    async validateVolumeCapabilities({ volumeId, volumeCapabilities = [], volumeContext = {}, parameters = {} }) {
      if (!volumeCapabilities.length) throw invalid('volume_capabilities is required');
      await disks.get({ id: required(volumeId, 'volume_id') });
      const message = unsupported(volumeCapabilities);
      return message ? { message } : { confirmed: { volumeCapabilities, volumeContext, parameters } };
    },
    async listVolumes(request) {
      const { items, nextToken } = page((await disks.list({})).disks ?? [], request);
      return { entries: items.map((disk) => ({ volume: volumeOf(disk), status: { publishedNodeIds: disk.attachedTo ? [disk.attachedTo] : [] } })), nextToken };
    },
    async getCapacity({ volumeCapabilities = [] }) {
      if (unsupported(volumeCapabilities)) return { availableCapacity: 0 };
      const { quotas = [] } = await operations.listQuotas({});
      const gib = quotas.find(({ resource }) => resource === 'disk-gib');
      const left = Math.max(0, (gib?.limit ?? 0) - (gib?.used ?? 0));
      return { availableCapacity: left * defaultBytes, minimumVolumeSize: defaultBytes };
    },
    controllerGetCapabilities: async () => ({ capabilities: abilities.map((type) => ({ type: { $case: 'rpc' as const, value: { type } } })) }),
    async createSnapshot({ sourceVolumeId, name, parameters = {} }) {
      const unknown = Object.keys(parameters)[0];
      if (unknown) throw invalid(`parameters: ${unknown} is not known`);
      return { snapshot: snapshotOf(await disks.createSnapshot({ diskId: required(sourceVolumeId, 'source_volume_id'), name: required(name, 'name') })) };
    },
    async deleteSnapshot({ snapshotId }) {
      await disks.deleteSnapshot({ id: required(snapshotId, 'snapshot_id') });
      return {};
    },
    async listSnapshots({ snapshotId = '', sourceVolumeId = '', ...paging }) {
      const found = snapshotId ? await unlessGone(disks.getSnapshot({ id: snapshotId })) : undefined;
      const all = snapshotId ? (found ? [found] : []) : ((await disks.listSnapshots({ diskId: sourceVolumeId })).snapshots ?? []);
      const { items, nextToken } = page(all, paging);
      return { entries: items.map((one) => ({ snapshot: snapshotOf(one) })), nextToken };
    },
    async controllerExpandVolume({ volumeId, capacityRange }) {
      const diskId = required(volumeId, 'volume_id');
      if (!capacityRange) throw invalid('capacity_range is required');
      const wanted = sizeOf(capacityRange);
      const { sizeBytes: now = 0 } = await disks.get({ id: diskId });
      // What has grown that far already is as it should be.
      const { sizeBytes = 0 } = now >= wanted ? { sizeBytes: now } : await disks.expand({ diskId, sizeBytes: wanted });
      return { capacityBytes: sizeBytes, nodeExpansionRequired: true };
    },
    async controllerModifyVolume({ volumeId, mutableParameters = {} }) {
      await disks.modify({ diskId: required(volumeId, 'volume_id'), type: typeOf({}, mutableParameters) });
      return {};
    },
  });
}
