import type { ObjectMeta, PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, Volume } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkAnnotations, checkLabels } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain } from '../../../validation/names.ts';
import { compareQuantities } from '../../../validation/quantity.ts';
import { checkClaimSpec } from '../claim-spec-validation.ts';
import { checkDownwardFile, checkMode, checkItems, checkProjected } from './projection-validation.ts';
import { checkCsiDriverName, sharedSources } from './volume-sources.ts';

/** What a volume's checks need to know. */
interface VolumeScope {
  readonly name: string;
  /** Of a pod; templates have none. */
  readonly podName: string | undefined;
  readonly isPod: boolean;
}

type Source = Exclude<keyof Volume, 'name'>;
type Check<K extends Source> = (source: NonNullable<Volume[K]>, at: FieldPath, scope: VolumeScope) => void;

const templateFields = new Set(['annotations', 'labels']);

function checkClaimTemplate({ metadata, spec }: PersistentVolumeClaimTemplate, at: FieldPath): void {
  const path = at.child('metadata');
  checkAnnotations(metadata?.annotations, path.child('annotations'));
  checkLabels(metadata?.labels, path.child('labels'));
  for (const [name, value] of Object.entries(metadata ?? {}) as [keyof ObjectMeta, unknown][]) {
    if (!templateFields.has(name) && value !== undefined && value !== null && value !== '') path.child(name).forbidden('cannot be set');
  }
  checkClaimSpec((spec ?? {}) as PersistentVolumeClaimSpec, at.child('spec'));
}

/** In the order in which upstream looks for them: of several sources the first counts. */
const sources: { readonly [K in Source]-?: Check<K> } = {
  emptyDir: ({ sizeLimit }, at) => {
    if (sizeLimit !== undefined && compareQuantities(sizeLimit, '0') < 0) at.child('sizeLimit').forbidden('SizeLimit field must be a valid resource quantity');
  },
  hostPath: sharedSources.hostPath,
  gitRepo: sharedSources.gitRepo,
  gcePersistentDisk: sharedSources.gcePersistentDisk,
  awsElasticBlockStore: sharedSources.awsElasticBlockStore,
  secret: (source, at) => {
    if (!source.secretName) at.child('secretName').required();
    checkMode(source.defaultMode, at.child('defaultMode'));
    checkItems(source.items, at.child('items'));
  },
  nfs: sharedSources.nfs,
  iscsi: sharedSources.iscsi,
  glusterfs: sharedSources.glusterfs,
  flocker: sharedSources.flocker,
  persistentVolumeClaim: (source, at) => {
    if (!source.claimName) at.child('claimName').required();
  },
  rbd: sharedSources.rbd,
  cinder: sharedSources.cinder,
  cephfs: sharedSources.cephfs,
  quobyte: sharedSources.quobyte,
  downwardAPI: (source, at) => {
    checkMode(source.defaultMode, at.child('defaultMode'));
    for (const file of source.items ?? []) checkDownwardFile(file, at);
  },
  fc: sharedSources.fc,
  flexVolume: sharedSources.flexVolume,
  configMap: (source, at) => {
    if (!source.name) at.child('name').required();
    checkMode(source.defaultMode, at.child('defaultMode'));
    checkItems(source.items, at.child('items'));
  },
  azureFile: sharedSources.azureFile,
  vsphereVolume: sharedSources.vsphereVolume,
  photonPersistentDisk: sharedSources.photonPersistentDisk,
  portworxVolume: sharedSources.portworxVolume,
  azureDisk: sharedSources.azureDisk,
  storageos: sharedSources.storageos,
  projected: checkProjected,
  scaleIO: sharedSources.scaleIO,
  csi: ({ driver, nodePublishSecretRef: secret }, at) => {
    checkCsiDriverName(driver, at.child('driver'));
    if (!secret) return;
    if (!secret.name) at.child('nodePublishSecretRef').child('name').required();
    else at.child('name').matches(secret.name, dns1123Subdomain);
  },
  ephemeral: (source, at) => {
    if (!source.volumeClaimTemplate) at.child('volumeClaimTemplate').required();
    else checkClaimTemplate(source.volumeClaimTemplate, at.child('volumeClaimTemplate'));
  },
  image: (source, at, { isPod }) => {
    if (isPod && !source.reference) at.child('reference').required();
    at.child('pullPolicy').requiredOneOf(source.pullPolicy, ['Always', 'IfNotPresent', 'Never']);
  },
};

/** Upstream spells some paths differently, and differently again when it counts. */
const pathOf: Partial<Record<Source, string>> = { gcePersistentDisk: 'persistentDisk' };
const surplusPathOf: Partial<Record<Source, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

function checkSource(volume: Volume, at: FieldPath, scope: VolumeScope): void {
  let count = 0;
  for (const name of Object.keys(sources) as Source[]) {
    const source = volume[name];
    if (source === undefined || source === null) continue;
    if (count > 0) at.child(surplusPathOf[name] ?? name).forbidden('may not specify more than 1 volume type');
    else {
      count++;
      (sources[name] as Check<Source>)(source as never, at.child(pathOf[name] ?? name), scope);
      if (name === 'ephemeral') checkClaimName(at, scope);
    }
    if (name === 'iscsi') checkInitiatorName(volume, at);
  }
  if (count === 0) at.required('must specify a volume type');
}

const maxInitiatorLength = 64;

function checkInitiatorName({ name = '', iscsi }: Volume, at: FieldPath): void {
  if (iscsi?.initiatorName === undefined || `${name}:${iscsi.targetPortal ?? ''}`.length <= maxInitiatorLength) return;
  at.child('name').invalid(name, 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.');
}

function checkClaimName(at: FieldPath, { podName, name }: VolumeScope): void {
  if (!podName || !name) return;
  const claim = `${podName}-${name}`;
  for (const message of dns1123Subdomain(claim)) at.child('name').invalid(name, `PVC name ${JSON.stringify(claim)}: ${message}`);
}

/** Returns the volumes that containers may use: those with a good name. */
export function checkVolumes(volumes: readonly Volume[] | undefined, { at, podName, isPod }: { at: FieldPath; podName: string | undefined; isPod: boolean }): Map<string, Volume> {
  const known = new Map<string, Volume>();
  const created = new Set((volumes ?? []).filter((volume) => volume.ephemeral).map((volume) => `${podName ?? ''}-${volume.name}`));
  for (const [i, volume] of indexed(volumes)) {
    const path = at.at(i);
    const name = volume.name ?? '';
    checkSource(volume, path, { name, podName, isPod });
    const before = at.errors.length;
    path.child('name').requires(name, dns1123Label);
    if (known.has(name)) path.child('name').duplicate(name);
    if (at.errors.length === before) known.set(name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && podName && created.has(claim)) {
      path.child('persistentVolumeClaim').child('claimName').invalid(claim, 'must not reference a PVC that gets created for an ephemeral volume');
    }
  }
  return known;
}
