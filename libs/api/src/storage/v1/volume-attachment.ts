import type { VolumeAttachment } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, flag, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';

function checkSpec({ spec }: VolumeAttachment, at: FieldPath): void {
  if (!spec?.attacher) at.child('attacher').required();
  at.child('nodeName').requires(spec?.nodeName, dns1123Subdomain);
  const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec?.source ?? {};
  if (name === undefined && !inline) at.child('source').required();
  else if (name !== undefined && inline) at.child('source').forbidden('must specify exactly one of inlineVolumeSpec and persistentVolumeName');
  else if (name === '') at.child('source').child('persistentVolumeName').required('must specify non empty persistentVolumeName');
}

export const volumeAttachmentKind = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  resource: 'volumeattachments',
  namespaced: false,
  hasStatus: true,
  emptyStatus: { attached: false },
  unconditionalUpdate: false,
  validate: (object) => findProblems((root) => checkSpec(object, root.child('spec'))),
  validateUpdate: (object, old) => findProblems((root) => checkImmutable({ value: object.spec, old: old.spec }, root.child('spec'))),
  columns: [
    nameColumn,
    text('Attacher', ({ spec }) => spec?.attacher ?? ''),
    text('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    text('Node', ({ spec }) => spec?.nodeName ?? ''),
    flag('Attached', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
});
