import type { ClusterTrustBundleProjection, DownwardAPIVolumeFile, KeyToPath, PodCertificateProjection, ProjectedVolumeSource, ServiceAccountTokenProjection, VolumeProjection } from '../../../../gen/types.ts';
import { checkSignerName } from '../../../certificates/signer-name.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkLabelSelector } from '../../../validation/label-selector.ts';
import { dns1123Subdomain, qualifiedName } from '../../../validation/names.ts';
import { checkFieldRef, checkResourceFieldRef, volumeFieldPaths } from './env-validation.ts';
import { checkFilePath } from './path-validation.ts';

export function checkMode(mode: number | undefined, at: FieldPath): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) at.invalid(mode, 'must be a number between 0 and 0777 (octal), both inclusive');
}

function requirePath(path: string | undefined, at: FieldPath): void {
  if (!path) at.required();
  checkFilePath(path, at);
}

export function checkItems(items: readonly KeyToPath[] | undefined, at: FieldPath): void {
  for (const [i, item] of indexed(items)) {
    const path = at.at(i);
    if (!item.key) path.child('key').required();
    requirePath(item.path, path.child('path'));
    checkMode(item.mode, path.child('mode'));
  }
}

/** Upstream reports a file at its volume, whichever it is. */
export function checkDownwardFile(file: DownwardAPIVolumeFile, at: FieldPath): void {
  requirePath(file.path, at.child('path'));
  if (file.fieldRef) {
    checkFieldRef(file.fieldRef, { at: at.child('fieldRef'), allowed: volumeFieldPaths });
    if (file.resourceFieldRef) at.invalid('resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
  } else if (file.resourceFieldRef) checkResourceFieldRef(file.resourceFieldRef, { at: at.child('resourceFieldRef'), isVolume: true });
  else at.required('one of fieldRef and resourceFieldRef is required');
  checkMode(file.mode, at.child('mode'));
}

interface Projection {
  readonly at: FieldPath;
  /** The whole projected volume. */
  readonly volume: FieldPath;
  /** Reports a path that another source has, naming `shown`. */
  readonly claim: (path: string | undefined, shown?: string) => void;
}

function checkToken({ expirationSeconds: seconds = 3600, path }: ServiceAccountTokenProjection, { at, volume }: Projection): void {
  if (seconds < 600) at.child('expirationSeconds').invalid(seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) at.child('expirationSeconds').invalid(seconds, 'may not specify a duration larger than 2^32 seconds');
  requirePath(path, volume.child('path'));
}

/** `signer:name` of a bundle that a signer is responsible for, else a plain name. */
function bundleNameProblems(name: string): readonly string[] {
  const last = name.lastIndexOf(':');
  if (last < 0) return dns1123Subdomain(name);
  const prefix = `${name.slice(0, last).replaceAll(':', '/')}`;
  const expected = `${prefix.replaceAll('/', ':')}:`;
  return name.startsWith(expected) ? dns1123Subdomain(name.slice(last + 1)) : [`ClusterTrustBundle for signerName ${prefix} must be named with prefix ${expected}`];
}

function checkBundle(source: ClusterTrustBundleProjection, { at, claim }: Projection): void {
  const { name, signerName, labelSelector, path } = source;
  if (name !== undefined && signerName !== undefined) at.invalid(source, 'only one of name and signerName may be used');
  else if (name !== undefined) {
    if (name === '') at.child('name').required('must be a valid object name');
    for (const message of bundleNameProblems(name)) at.child('name').invalid(name, `not a valid clustertrustbundlename: ${message}`);
    if (labelSelector) at.child('labelSelector').invalid(labelSelector, 'labelSelector must be unset if name is specified');
  } else if (signerName !== undefined) {
    if (signerName === '') at.child('signerName').required('must be a valid signer name');
    checkSignerName(signerName, at.child('signerName'));
    checkLabelSelector(labelSelector, at.child('labelSelector'));
  } else at.required('either name or signerName must be specified');
  requirePath(path, at.child('path'));
  claim(path ?? '');
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];
const minSeconds = 3600;
/** 91 days, and a day of Kubernetes' own signers. */
const maxSeconds = 91 * 86_400;
const maxKubernetesSeconds = 86_400;

function checkCertificate(source: PodCertificateProjection, { at, claim }: Projection): void {
  checkSignerName(source.signerName, at.child('signerName'));
  for (const key of Object.keys(source.userAnnotations ?? {})) at.child('userAnnotations').matches(key.toLowerCase(), qualifiedName);
  if (!keyTypes.includes(source.keyType)) at.child('keyType').notSupported(source.keyType ?? '', keyTypes);
  const seconds = source.maxExpirationSeconds;
  if (seconds !== undefined) {
    const most = source.signerName?.split('/', 1)[0]?.endsWith('kubernetes.io') ? maxKubernetesSeconds : maxSeconds;
    const path = at.child('maxExpirationSeconds');
    if (seconds < minSeconds) path.invalid(seconds, `if provided, maxExpirationSeconds must be >= ${minSeconds}`);
    if (seconds > most) path.invalid(seconds, `if provided, maxExpirationSeconds must be <= ${most}`);
  }
  const paths = (['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const).filter((name) => source[name]);
  for (const name of paths) {
    checkFilePath(source[name], at.child(name));
    claim(source[name]);
  }
  if (paths.length === 0) at.required('specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
}

/** Which sources a projection may have, in upstream's order. */
const projections: { readonly [K in keyof VolumeProjection]-?: (source: NonNullable<VolumeProjection[K]>, projection: Projection) => void } = {
  secret: (source, { at, claim }) => {
    if (!source.name) at.child('name').required();
    checkItems(source.items, at.child('items'));
    for (const { path } of source.items ?? []) if (path) claim(path, source.name);
  },
  configMap: (source, { at, claim }) => {
    if (!source.name) at.child('name').required();
    checkItems(source.items, at.child('items'));
    for (const { path } of source.items ?? []) if (path) claim(path, source.name);
  },
  downwardAPI: (source, { at, claim }) => {
    for (const file of source.items ?? []) {
      checkDownwardFile(file, at);
      if (file.path) claim(file.path);
    }
  },
  serviceAccountToken: checkToken,
  clusterTrustBundle: checkBundle,
  podCertificate: checkCertificate,
};

export function checkProjected(projected: ProjectedVolumeSource, at: FieldPath): void {
  checkMode(projected.defaultMode, at.child('defaultMode'));
  const taken = new Set<string>();
  const claim = (path = '', shown: string = path): void => {
    if (taken.has(path)) at.invalid(shown, 'conflicting duplicate paths');
    taken.add(path);
  };
  for (const [i, source] of indexed(projected.sources)) {
    const path = at.child('sources').at(i);
    let count = 0;
    for (const name of Object.keys(projections) as (keyof VolumeProjection)[]) {
      const value = source[name];
      if (value === undefined || value === null) continue;
      count++;
      (projections[name] as (source: unknown, projection: Projection) => void)(value, { at: path.child(name), volume: at, claim });
    }
    if (count > 1) path.forbidden('may not specify more than 1 volume type per source');
  }
}
