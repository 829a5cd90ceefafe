import type { CSINode, Node, PersistentVolume, PersistentVolumeClaim, StorageClass, TopologySelectorTerm, VolumeAttributesClass } from '@orrery/api/types';
import { formatQuantity, parseQuantity, quantityOf, quantityValue } from '@orrery/apimachinery';
import { volumeAnnotations } from '@orrery/api/volumes';
import { type CreateVolumeRequest, type Topology, type TopologyRequirement, type Volume, VolumeCapability_AccessMode_Mode as Mode, type VolumeContentSource } from '@orrery/proto/csi';
import { driverName, zoneKey } from '../names.ts';

/** Keeps a volume until its disk is gone. */
export const provisionerFinalizer = 'external-provisioner.volume.kubernetes.io/finalizer';
const parameterPrefix = 'csi.storage.k8s.io/';
const fsTypeParameter = `${parameterPrefix}fstype`;

/** Bad input: not tried again until it changes. */
export class Refusal extends Error {}

const modes: Readonly<Record<string, number>> = { ReadWriteOnce: Mode.SINGLE_NODE_WRITER, ReadOnlyMany: Mode.MULTI_NODE_READER_ONLY, ReadWriteMany: Mode.MULTI_NODE_MULTI_WRITER, ReadWriteOncePod: Mode.SINGLE_NODE_SINGLE_WRITER };

export const volumeName = (claim: PersistentVolumeClaim): string => `pvc-${claim.metadata?.uid ?? ''}`;

/** What the zones of nodes with the driver allow, the chosen node's first. Undefined where no node tells a zone. Throws where the chosen node's is not known, which may be a matter of time: the driver is about to be registered there. */
export function topologyFor(input: { selected: Node | undefined; nodes: Iterable<Node>; csiNode: (name: string) => CSINode | undefined; allowed: readonly TopologySelectorTerm[] }): TopologyRequirement | undefined {
  const { selected, nodes, csiNode, allowed } = input;
  const hasDriver = ({ metadata }: Node): boolean => csiNode(metadata?.name ?? '')?.spec?.drivers?.some(({ name, topologyKeys }) => name === driverName && topologyKeys?.includes(zoneKey)) ?? false;
  const zoneOf = ({ metadata }: Node): string | undefined => metadata?.labels?.[zoneKey];
  const selectedName = selected?.metadata?.name ?? '';
  if (selected && !hasDriver(selected)) throw new Error(`error generating accessibility requirements: no topology key found on CSINode ${selectedName}`);
  const mine = selected && zoneOf(selected);
  if (selected && !mine) throw new Error(`error generating accessibility requirements: topology labels from selected node ${selectedName} does not match topology keys from CSINode [${zoneKey}]`);
  const zones = new Set<string>();
  for (const node of nodes) if (hasDriver(node)) zones.add(zoneOf(node) ?? '');
  const terms = allowed.map(({ matchLabelExpressions = [] }) => matchLabelExpressions);
  const isAllowed = (zone: string): boolean => !terms.length || terms.some((term) => term.every(({ key, values }) => key !== zoneKey || values.includes(zone)));
  const named = terms.flat().flatMap(({ key, values }) => (key === zoneKey ? values : []));
  const possible = [...(named.length ? named : [...zones].sort())].filter((zone) => zone && isAllowed(zone));
  if (!possible.length) return undefined;
  if (mine && !possible.includes(mine)) throw new Error(`no available topology found: zone ${mine} of node ${selectedName} is not allowed by the StorageClass`);
  const term = (zone: string): Topology => ({ segments: { [zoneKey]: zone } });
  const ordered = mine ? [mine, ...possible.filter((zone) => zone !== mine)] : possible;
  return { requisite: possible.map(term), preferred: ordered.map(term) };
}

export interface ProvisionInput {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass;
  readonly attributes: VolumeAttributesClass | undefined;
  readonly topology: TopologyRequirement | undefined;
  readonly source: VolumeContentSource | undefined;
}

/** The call that makes the volume of a claim. Throws Refusal for what no volume of this kind can be. */
export function createRequest({ claim, storageClass, attributes, topology, source }: ProvisionInput): CreateVolumeRequest {
  const { accessModes = [], selector, volumeMode, resources } = claim.spec ?? {};
  if (selector) throw new Refusal('claim Selector is not supported');
  const parameters: Record<string, string> = {};
  for (const [key, value] of Object.entries(storageClass.parameters ?? {})) {
    if (!key.startsWith(parameterPrefix)) parameters[key] = value;
    else if (key !== fsTypeParameter) throw new Refusal(`invalid parameters: parameter "${key}" is not supported`);
  }
  const fsType = storageClass.parameters?.[fsTypeParameter] ?? 'ext4';
  const kind = volumeMode === 'Block' ? { $case: 'block' as const, value: {} } : { $case: 'mount' as const, value: { fsType, mountFlags: [...(storageClass.mountOptions ?? [])] } };
  return {
    name: volumeName(claim),
    capacityRange: { requiredBytes: quantityValue(parseQuantity(resources?.requests?.['storage'] ?? '0')) },
    volumeCapabilities: accessModes.map((mode) => ({ accessType: kind, accessMode: { mode: (modes[mode] ?? Mode.UNKNOWN) as NonNullable<NonNullable<CreateVolumeRequest['volumeCapabilities']>[number]['accessMode']>['mode'] } })),
    parameters,
    mutableParameters: { ...attributes?.parameters },
    ...(topology ? { accessibilityRequirements: topology } : {}),
    ...(source ? { volumeContentSource: source } : {}),
  };
}

/** The PersistentVolume of what the driver has made. */
export function volumeFor({ claim, storageClass, attributes }: ProvisionInput, made: Volume): PersistentVolume {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  const reclaimPolicy = storageClass.reclaimPolicy ?? 'Delete';
  const terms = (made.accessibleTopology ?? []).map(({ segments = {} }) => ({ matchExpressions: Object.entries(segments).map(([key, value]) => ({ key, operator: 'In', values: [value] })) }));
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: volumeName(claim),
      annotations: { [volumeAnnotations.provisionedBy]: driverName, 'volume.kubernetes.io/provisioner-deletion-secret-name': '', 'volume.kubernetes.io/provisioner-deletion-secret-namespace': '' },
      ...(reclaimPolicy === 'Delete' ? { finalizers: [provisionerFinalizer] } : {}),
    },
    spec: {
      accessModes: claim.spec?.accessModes ?? [],
      capacity: { storage: formatQuantity(quantityOf(made.capacityBytes ?? 0, 'BinarySI')) },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid, resourceVersion },
      csi: { driver: driverName, volumeHandle: made.volumeId ?? '', ...(claim.spec?.volumeMode === 'Block' ? {} : { fsType: storageClass.parameters?.[fsTypeParameter] ?? 'ext4' }), volumeAttributes: { 'storage.kubernetes.io/csiProvisionerIdentity': driverName, ...made.volumeContext } },
      ...(terms.length ? { nodeAffinity: { required: { nodeSelectorTerms: terms } } } : {}),
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata?.name ?? '',
      volumeMode: claim.spec?.volumeMode ?? 'Filesystem',
      ...(storageClass.mountOptions?.length ? { mountOptions: storageClass.mountOptions } : {}),
      ...(attributes ? { volumeAttributesClassName: attributes.metadata?.name ?? '' } : {}),
    },
  };
}

/** Whether the disk of a volume is to be deleted now. */
export function wantsDeletion({ metadata, spec, status }: PersistentVolume): boolean {
  if (spec?.csi?.driver !== driverName || metadata?.annotations?.[volumeAnnotations.provisionedBy] !== driverName || spec.persistentVolumeReclaimPolicy !== 'Delete') return false;
  return status?.phase === 'Released' || status?.phase === 'Failed';
}
