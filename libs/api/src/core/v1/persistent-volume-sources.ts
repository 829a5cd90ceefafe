import type { CSIPersistentVolumeSource, PersistentVolumeSpec, SecretReference } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../validation/names.ts';
import { checkNoBacksteps } from './pod-template/path-validation.ts';
import { checkCsiDriverName, checkIscsi, requireFields, sharedSources } from './pod-template/volume-sources.ts';

type Source = Exclude<
  keyof PersistentVolumeSpec,
  'accessModes' | 'capacity' | 'claimRef' | 'mountOptions' | 'nodeAffinity' | 'persistentVolumeReclaimPolicy' | 'storageClassName' | 'volumeAttributesClassName' | 'volumeMode'
>;
type Check<K extends Source> = (source: NonNullable<PersistentVolumeSpec[K]>, at: FieldPath, scope: { readonly spec: PersistentVolumeSpec; readonly name: string; readonly root: FieldPath }) => void;

function checkSecret(secret: SecretReference | undefined, at: FieldPath): void {
  if (!secret) return;
  at.child('name').requires(secret.name, dns1123Subdomain);
  at.child('namespace').requires(secret.namespace, dns1123Label);
}

function checkCsi(source: CSIPersistentVolumeSource, at: FieldPath): void {
  checkCsiDriverName(source.driver, at.child('driver'));
  if (!source.volumeHandle) at.child('volumeHandle').required();
  for (const name of ['controllerPublishSecretRef', 'controllerExpandSecretRef', 'nodePublishSecretRef', 'nodeExpandSecretRef'] as const) checkSecret(source[name], at.child(name));
}

const maxInitiatorLength = 64;

/** In the order in which upstream looks for them: of several sources the first counts. */
const sources: { readonly [K in Source]-?: Check<K> } = {
  hostPath: sharedSources.hostPath,
  gcePersistentDisk: sharedSources.gcePersistentDisk,
  awsElasticBlockStore: sharedSources.awsElasticBlockStore,
  glusterfs: (source, at) => {
    sharedSources.glusterfs(source, at);
    const namespace = source.endpointsNamespace;
    const path = at.child('endpointsNamespace');
    if (namespace === '') path.invalid(namespace, 'if the endpointnamespace is set, it must be a valid namespace name');
    else if (namespace !== undefined) path.matches(namespace, dns1123Label);
  },
  flocker: sharedSources.flocker,
  nfs: sharedSources.nfs,
  rbd: sharedSources.rbd,
  quobyte: sharedSources.quobyte,
  cephfs: sharedSources.cephfs,
  iscsi: (source, at, { name }) => {
    if (source.initiatorName !== undefined && `${name}:${source.targetPortal ?? ''}`.length > maxInitiatorLength) {
      at.child('targetportal').invalid(source.targetPortal ?? '', 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.');
    }
    checkIscsi(source, { at, unknown: 'must be valid format' });
    if (source.secretRef && !source.secretRef.name) at.child('secretRef').child('name').required();
  },
  cinder: (source, at) => {
    sharedSources.cinder(source, at);
    if (source.secretRef && !source.secretRef.namespace) at.child('secretRef').child('namespace').required();
  },
  fc: sharedSources.fc,
  flexVolume: sharedSources.flexVolume,
  azureFile: (source, at) => {
    sharedSources.azureFile(source, at);
    if (source.secretNamespace === '') at.child('secretNamespace').required();
  },
  vsphereVolume: sharedSources.vsphereVolume,
  photonPersistentDisk: sharedSources.photonPersistentDisk,
  portworxVolume: sharedSources.portworxVolume,
  azureDisk: sharedSources.azureDisk,
  scaleIO: sharedSources.scaleIO,
  local: (source, at, { spec, root }) => {
    if (!source.path) at.child('path').required();
    else checkNoBacksteps(source.path, at.child('path'));
    if (!spec.nodeAffinity) root.child('nodeAffinity').required('Local volume requires node affinity');
  },
  storageos: (source, at) => {
    sharedSources.storageos(source, at);
    if (source.secretRef) requireFields(source.secretRef, ['namespace'], at.child('secretRef'));
  },
  csi: checkCsi,
};

/** Upstream spells some paths differently, and differently again when it counts. */
const pathOf: Partial<Record<Source, string>> = { gcePersistentDisk: 'persistentDisk' };
const surplusPathOf: Partial<Record<Source, string>> = { cephfs: 'cephFS' };

export function sourcesOf(spec: PersistentVolumeSpec | undefined): Pick<PersistentVolumeSpec, Source> {
  const names = (Object.keys(sources) as Source[]).filter((name) => spec?.[name] !== undefined && spec[name] !== null);
  return Object.fromEntries(names.map((name) => [name, spec?.[name]]));
}

/** Exactly one source. */
export function checkVolumeSources(spec: PersistentVolumeSpec, { at, name }: { at: FieldPath; name: string }): void {
  const given = Object.keys(sourcesOf(spec)) as Source[];
  if (given.length === 0) at.required('must specify a volume type');
  for (const [i, source] of given.entries()) {
    if (i > 0 && source !== 'flexVolume') at.child(surplusPathOf[source] ?? source).forbidden('may not specify more than 1 volume type');
    else (sources[source] as Check<Source>)(spec[source] as never, at.child(pathOf[source] ?? source), { spec, name, root: at });
  }
}
