import type { DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Volume, VolumeProjection } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkNonNegative, checkUniqueLabel } from '../../../validation/fields.ts';
import { compareQuantities } from '../../../validation/quantity.ts';
import { checkFieldRef, checkResourceFieldRef, volumeFieldPaths } from './env-validation.ts';
import { checkDescendingPath, checkNoBacksteps } from './security-validation.ts';

const modeMessage = 'must be a number between 0 and 0777 (octal), both inclusive';

function checkMode(mode: number | undefined, at: FieldPath): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) at.invalid(mode, modeMessage);
}

function checkFilePath(path: string | undefined, at: FieldPath): void {
  if (!path) return at.required();
  checkDescendingPath(path, at);
  if (path.startsWith('..') && path !== '..' && !path.startsWith('../')) at.invalid(path, "must not start with '..'");
}

function checkItems(items: readonly KeyToPath[] | undefined, at: FieldPath): void {
  for (const [i, item] of (items ?? []).entries()) {
    const path = at.at(i);
    if (!item.key) path.child('key').required();
    checkFilePath(item.path, path.child('path'));
    checkMode(item.mode, path.child('mode'));
  }
}

function checkDownwardFile(file: DownwardAPIVolumeFile, at: FieldPath): void {
  checkFilePath(file.path, at.child('path'));
  if (file.fieldRef) {
    checkFieldRef(file.fieldRef, { at: at.child('fieldRef'), allowed: volumeFieldPaths });
    if (file.resourceFieldRef) at.child('resource').invalid('resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
  } else if (file.resourceFieldRef) checkResourceFieldRef(file.resourceFieldRef, { at: at.child('resourceFieldRef'), isVolume: true });
  else at.required('one of fieldRef and resourceFieldRef is required');
  checkMode(file.mode, at.child('mode'));
}

/** Which sources a projection may have, and each one's checks. */
const projections: { [K in keyof VolumeProjection]-?: (source: NonNullable<VolumeProjection[K]>, at: FieldPath) => void } = {
  configMap: (source, at) => {
    if (!source.name) at.child('name').required();
    checkItems(source.items, at.child('items'));
  },
  secret: (source, at) => {
    if (!source.name) at.child('name').required();
    checkItems(source.items, at.child('items'));
  },
  downwardAPI: (source, at) => {
    for (const [i, file] of (source.items ?? []).entries()) checkDownwardFile(file, at.child('items').at(i));
  },
  serviceAccountToken: (source, at) => {
    const seconds = source.expirationSeconds ?? 3600;
    if (seconds < 600) at.child('expirationSeconds').invalid(seconds, 'may not specify a duration less than 10 minutes');
    else if (seconds > 2 ** 32) at.child('expirationSeconds').invalid(seconds, 'may not specify a duration larger than 2^32 seconds');
    if (!source.path) at.child('path').required();
    else checkFilePath(source.path, at.child('path'));
  },
  clusterTrustBundle: (source, at) => {
    if (source.name !== undefined && source.signerName !== undefined) {
      at.invalid(source, 'only one of name and signerName may be used');
    } else if (source.name === undefined && source.signerName === undefined) at.required('either name or signerName must be specified');
    checkFilePath(source.path, at.child('path'));
  },
  podCertificate: (source, at) => {
    if (!source.signerName) at.child('signerName').required();
    if (!source.keyType) at.child('keyType').required();
  },
};

function checkProjected(projected: ProjectedVolumeSource, at: FieldPath): void {
  checkMode(projected.defaultMode, at.child('defaultMode'));
  for (const [i, source] of (projected.sources ?? []).entries()) {
    const path = at.child('sources').at(i);
    let count = 0;
    for (const name of Object.keys(projections) as (keyof VolumeProjection)[]) {
      const value = source[name];
      if (value === undefined) continue;
      count++;
      if (count > 1) path.child(name).forbidden('may not specify more than 1 volume type');
      else (projections[name] as (source: unknown, at: FieldPath) => void)(value, path.child(name));
    }
    if (count === 0) path.required('must specify a volume type');
  }
}

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

type Source = Exclude<keyof Volume, 'name'>;

/** Sources with checks of their own; the schema covers the rest. */
const sources: { [K in Source]?: (source: NonNullable<Volume[K]>, at: FieldPath) => void } = {
  emptyDir: ({ sizeLimit }, at) => {
    if (sizeLimit !== undefined && compareQuantities(sizeLimit, '0') < 0) at.child('sizeLimit').forbidden('SizeLimit field must be a valid resource quantity');
  },
  hostPath: (source, at) => {
    if (!source.path) at.child('path').required();
    else checkNoBacksteps(source.path, at.child('path'));
    if (source.type && !hostPathTypes.includes(source.type)) at.child('type').notSupported(source.type, hostPathTypes);
  },
  secret: (source, at) => {
    if (!source.secretName) at.child('secretName').required();
    checkMode(source.defaultMode, at.child('defaultMode'));
    checkItems(source.items, at.child('items'));
  },
  configMap: (source, at) => {
    if (!source.name) at.child('name').required();
    checkMode(source.defaultMode, at.child('defaultMode'));
    checkItems(source.items, at.child('items'));
  },
  downwardAPI: (source, at) => {
    checkMode(source.defaultMode, at.child('defaultMode'));
    for (const [i, file] of (source.items ?? []).entries()) checkDownwardFile(file, at.child('items').at(i));
  },
  projected: checkProjected,
  persistentVolumeClaim: (source, at) => {
    if (!source.claimName) at.child('claimName').required();
  },
  nfs: (source, at) => {
    if (!source.server) at.child('server').required();
    if (!source.path) at.child('path').required();
    else if (!source.path.startsWith('/')) at.child('path').invalid(source.path, 'must be an absolute path');
  },
  csi: (source, at) => {
    if (!source.driver) at.child('driver').required();
  },
  iscsi: (source, at) => {
    if (!source.targetPortal) at.child('targetPortal').required();
    if (!source.iqn) at.child('iqn').required();
    checkNonNegative(source.lun, at.child('lun'));
  },
  ephemeral: (source, at) => {
    const template = source.volumeClaimTemplate;
    if (!template) return at.child('volumeClaimTemplate').required();
    const spec = at.child('volumeClaimTemplate').child('spec');
    if (!template.spec?.accessModes?.length) spec.child('accessModes').required('at least 1 access mode is required');
    if (template.spec?.resources?.requests?.storage === undefined) spec.child('resources').at('storage').required();
  },
  image: (source, at) => {
    if (!source.reference) at.child('reference').required();
    at.child('pullPolicy').oneOf(source.pullPolicy, ['Always', 'IfNotPresent', 'Never']);
  },
};

function checkSource(volume: Volume, at: FieldPath): void {
  let count = 0;
  for (const name of Object.keys(volume) as (keyof Volume)[]) {
    if (name === 'name' || volume[name] === undefined || volume[name] === null) continue;
    count++;
    if (count > 1) at.child(name).forbidden('may not specify more than 1 volume type');
    else (sources[name] as ((source: unknown, at: FieldPath) => void) | undefined)?.(volume[name], at.child(name));
  }
  if (count === 0) at.required('must specify a volume type');
}

export function checkVolumes(volumes: readonly Volume[] | undefined, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, volume] of (volumes ?? []).entries()) {
    const path = at.at(i);
    checkSource(volume, path);
    checkUniqueLabel(volume.name, { seen, at: path.child('name') });
  }
}

