import type { CertificatesV1beta1ClusterTrustBundle as ClusterTrustBundle } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkSignerName } from '../signer-name.ts';
import { checkTrustBundle } from './trust-bundle.ts';

/** Bundles of a signer carry its name in theirs, so that permissions can be given by name. */
function checkName({ metadata, spec }: ClusterTrustBundle, at: FieldPath): void {
  const { name = '' } = metadata ?? {};
  const signer = spec?.signerName;
  if (!signer) {
    if (name.includes(':')) at.invalid(name, 'ClusterTrustBundle without signer name must not have ":" in its name');
    else for (const problem of dns1123Subdomain(name)) at.invalid(name, problem);
    return;
  }
  const prefix = `${signer.replaceAll('/', ':')}:`;
  if (!name.startsWith(prefix)) return at.invalid(name, `ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`);
  for (const problem of dns1123Subdomain(name.slice(prefix.length))) at.invalid(name, problem);
}

function checkBundle(bundle: ClusterTrustBundle, root: FieldPath): void {
  checkName(bundle, root.child('metadata').child('name'));
  const at = root.child('spec');
  if (bundle.spec?.signerName) checkSignerName(bundle.spec.signerName, at.child('signerName'));
}

export const clusterTrustBundleKind = defineKind<ClusterTrustBundle>({
  group: 'certificates.k8s.io',
  version: 'v1beta1',
  kind: 'ClusterTrustBundle',
  resource: 'clustertrustbundles',
  namespaced: false,
  nameRule: 'pathSegment',
  validate: (bundle) =>
    findProblems((root) => {
      checkBundle(bundle, root);
      checkTrustBundle(bundle.spec?.trustBundle ?? '', root.child('spec').child('trustBundle'));
    }),
  validateUpdate: (bundle, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkBundle(bundle, root);
      if (bundle.spec?.trustBundle !== old.spec?.trustBundle) checkTrustBundle(bundle.spec?.trustBundle ?? '', at.child('trustBundle'));
      checkImmutable({ value: bundle.spec?.signerName ?? '', old: old.spec?.signerName ?? '' }, at.child('signerName'));
    }),
  selectableFields: ['spec.signerName'],
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  columns: [nameColumn, text('SignerName', ({ spec }) => spec?.signerName || '<none>')],
});
