import type {
  AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, FCVolumeSource, FlockerVolumeSource, GCEPersistentDiskVolumeSource, GitRepoVolumeSource, HostPathVolumeSource, NFSVolumeSource,
  PhotonPersistentDiskVolumeSource, PortworxVolumeSource, QuobyteVolumeSource, VsphereVirtualDiskVolumeSource,
} from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { inRange } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain } from '../../../validation/names.ts';
import { checkDescendingPath, checkNoBacksteps } from './path-validation.ts';

interface SecretReference {
  readonly name?: string;
  readonly namespace?: string;
}

export function requireFields<T extends object>(source: T, fields: readonly (keyof T & string)[], at: FieldPath): void {
  for (const field of fields) {
    const value = source[field];
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) at.child(field).required();
  }
}

const maxDriverName = 63;

export function checkCsiDriverName(driver: string | undefined, at: FieldPath): void {
  const name = driver ?? '';
  if (!name) at.required();
  if (name.length > maxDriverName) at.tooLong(name, maxDriverName);
  for (const message of dns1123Subdomain(name.toLowerCase())) at.invalid(name, message);
}

function checkNumber(value: number | undefined, { at, max }: { at: FieldPath; max: number }): void {
  for (const message of inRange(value ?? 0, 0, max)) at.invalid(value ?? 0, message);
}

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];
const initiators: Readonly<Record<string, RegExp>> = { iqn: /^iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/, eui: /^eui.[A-Za-z0-9]{16}$/, naa: /^naa.[A-Za-z0-9]{32}$/ };

function checkInitiator(value: string, { at, unknown }: { at: FieldPath; unknown: string }): void {
  const format = initiators[value.slice(0, 3)];
  if (!format) at.invalid(value, unknown);
  else if (!format.test(value)) at.invalid(value, 'must be valid format');
}

interface Iscsi {
  readonly targetPortal?: string;
  readonly iqn?: string;
  readonly lun?: number;
  readonly chapAuthDiscovery?: boolean;
  readonly chapAuthSession?: boolean;
  readonly secretRef?: SecretReference;
  readonly initiatorName?: string;
}

/** Of pods unknown prefixes have a message of their own. */
export function checkIscsi(source: Iscsi, { at, unknown }: { at: FieldPath; unknown: string }): void {
  if (!source.targetPortal) at.child('targetPortal').required();
  if (!source.iqn) at.child('iqn').required();
  else checkInitiator(source.iqn, { at: at.child('iqn'), unknown });
  checkNumber(source.lun, { at: at.child('lun'), max: 255 });
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef) at.child('secretRef').required();
  if (source.initiatorName !== undefined) checkInitiator(source.initiatorName, { at: at.child('initiatorname'), unknown });
}

const cachingModes = ['None', 'ReadOnly', 'ReadWrite'];
const diskKinds = ['Dedicated', 'Managed', 'Shared'];
const managedUris = ['/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'];
const blobUris = ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'];

function checkAzureDisk(disk: AzureDiskVolumeSource, at: FieldPath): void {
  requireFields(disk, ['diskName', 'diskURI'], at);
  const { cachingMode, kind, diskURI = '' } = disk;
  if (cachingMode !== undefined && !cachingModes.includes(cachingMode)) at.child('cachingMode').notSupported(cachingMode, cachingModes);
  if (kind === undefined) return;
  if (!diskKinds.includes(kind)) at.child('kind').notSupported(kind, diskKinds);
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/')) at.child('diskURI').notSupported(diskURI, managedUris);
  if (kind !== 'Managed' && !diskURI.startsWith('https://')) at.child('diskURI').notSupported(diskURI, blobUris);
}

function checkFc({ targetWWNs = [], wwids = [], lun }: FCVolumeSource, at: FieldPath): void {
  const path = at.child('targetWWNs');
  if (targetWWNs.length === 0 && wwids.length === 0) path.required('must specify either targetWWNs or wwids, but not both');
  if (targetWWNs.length > 0 && wwids.length > 0) path.invalid(targetWWNs, 'targetWWNs and wwids can not be specified simultaneously');
  if (targetWWNs.length === 0) return;
  if (lun === undefined) at.child('lun').required('lun is required if targetWWNs is specified');
  else checkNumber(lun, { at: at.child('lun'), max: 255 });
}

function checkFlocker({ datasetName = '', datasetUUID = '' }: FlockerVolumeSource, at: FieldPath): void {
  if (!datasetName && !datasetUUID) at.required('one of datasetName and datasetUUID is required');
  if (datasetName && datasetUUID) at.invalid('resource', 'datasetName and datasetUUID can not be specified simultaneously');
  if (datasetName.includes('/')) at.child('datasetName').invalid(datasetName, "must not contain '/'");
}

function checkQuobyte({ registry = '', tenant = '', volume }: QuobyteVolumeSource, at: FieldPath): void {
  const pairs = 'must be a host:port pair or multiple pairs separated by commas';
  if (!registry) at.child('registry').required(pairs);
  else if (tenant.length >= 65) at.child('tenant').required('must be a UUID and may not exceed a length of 64 characters');
  else for (const pair of registry.split(',')) if (!/^(\[[^\]]*\]|[^:]*):[^:]*$/.test(pair)) at.child('registry').invalid(registry, pairs);
  if (!volume) at.child('volume').required();
}

function checkFlex({ driver, options }: { driver?: string; options?: Record<string, string> }, at: FieldPath): void {
  if (!driver) at.child('driver').required();
  for (const key of Object.keys(options ?? {})) {
    const namespace = `.${key.split('/', 1)[0]?.toLowerCase() ?? ''}`;
    if (namespace.endsWith('.kubernetes.io') || namespace.endsWith('.k8s.io')) at.child('options').at(key).invalid(key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
}

function checkHostPath({ path, type }: HostPathVolumeSource, at: FieldPath): void {
  if (!path) return at.child('path').required();
  checkNoBacksteps(path, at.child('path'));
  if (type !== undefined && !hostPathTypes.includes(type)) at.child('type').notSupported(type, hostPathTypes);
}

/** Sources of pods; those of persistent volumes add where secrets are. */
export const sharedSources = {
  hostPath: checkHostPath,
  gitRepo: (source: GitRepoVolumeSource, at: FieldPath): void => {
    if (!source.repository) at.child('repository').required();
    checkDescendingPath(source.directory, at.child('directory'));
  },
  gcePersistentDisk: (source: GCEPersistentDiskVolumeSource, at: FieldPath): void => {
    requireFields(source, ['pdName'], at);
    checkPartition(source.partition, at.child('partition'));
  },
  awsElasticBlockStore: (source: AWSElasticBlockStoreVolumeSource, at: FieldPath): void => {
    requireFields(source, ['volumeID'], at);
    checkPartition(source.partition, at.child('partition'));
  },
  nfs: (source: NFSVolumeSource, at: FieldPath): void => {
    requireFields(source, ['server', 'path'], at);
    if (!source.path?.startsWith('/')) at.child('path').invalid(source.path ?? '', 'must be an absolute path');
  },
  iscsi: (source: Iscsi, at: FieldPath): void => checkIscsi(source, { at, unknown: 'must be valid format starting with iqn, eui, or naa' }),
  glusterfs: (source: { endpoints: string; path: string }, at: FieldPath): void => requireFields(source, ['endpoints', 'path'], at),
  flocker: checkFlocker,
  rbd: (source: { monitors: string[]; image: string }, at: FieldPath): void => requireFields(source, ['monitors', 'image'], at),
  cinder: (source: { volumeID: string; secretRef?: SecretReference }, at: FieldPath): void => {
    requireFields(source, ['volumeID'], at);
    if (source.secretRef) requireFields(source.secretRef, ['name'], at.child('secretRef'));
  },
  cephfs: (source: { monitors: string[] }, at: FieldPath): void => requireFields(source, ['monitors'], at),
  quobyte: checkQuobyte,
  fc: checkFc,
  flexVolume: checkFlex,
  azureFile: (source: { secretName: string; shareName: string }, at: FieldPath): void => requireFields(source, ['secretName', 'shareName'], at),
  vsphereVolume: (source: VsphereVirtualDiskVolumeSource, at: FieldPath): void => requireFields(source, ['volumePath'], at),
  photonPersistentDisk: (source: PhotonPersistentDiskVolumeSource, at: FieldPath): void => requireFields(source, ['pdID'], at),
  portworxVolume: (source: PortworxVolumeSource, at: FieldPath): void => requireFields(source, ['volumeID'], at),
  azureDisk: checkAzureDisk,
  storageos: (source: { volumeName?: string; volumeNamespace?: string; secretRef?: SecretReference }, at: FieldPath): void => {
    at.child('volumeName').requires(source.volumeName, dns1123Label);
    if (source.volumeNamespace) at.child('volumeNamespace').matches(source.volumeNamespace, dns1123Label);
    if (source.secretRef) requireFields(source.secretRef, ['name'], at.child('secretRef'));
  },
  scaleIO: (source: { gateway: string; system: string; volumeName?: string }, at: FieldPath): void => requireFields(source, ['gateway', 'system', 'volumeName'], at),
};

/** Upstream's message begins at 1, its check at 0. */
function checkPartition(value: number | undefined, at: FieldPath): void {
  if (value !== undefined && (value < 0 || value > 255)) at.invalid(value, 'must be between 1 and 255, inclusive');
}


