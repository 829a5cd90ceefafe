import type { FieldError } from '@orrery/errors';
import type { VolumeAttachment, VolumeAttachmentSource, VolumeError } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, flag, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkDriverName } from '../../resource/v1/names.ts';
import { checkImmutable, maxInt32 } from '../../validation/fields.ts';
import { dns1123Subdomain, rangeMessage } from '../../validation/names.ts';

const oneSource = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
const maxMetadataBytes = 256 * 1024;
const maxMessageBytes = 1024;

function checkSource({ persistentVolumeName: name, inlineVolumeSpec: inline }: Partial<VolumeAttachmentSource>, at: FieldPath): void {
  if (name === undefined && !inline) at.required(oneSource);
  else if (name !== undefined && inline) at.forbidden(oneSource);
  else if (name === '') at.child('persistentVolumeName').required('must specify non empty persistentVolumeName');
}

function checkError(error: VolumeError | undefined, at: FieldPath): void {
  if (Buffer.byteLength(error?.message ?? '') > maxMessageBytes) at.child('message').tooLong('', maxMetadataBytes);
  const code = error?.errorCode;
  if (code !== undefined && code < 0) at.child('errorCode').invalid(code, rangeMessage(0, maxInt32));
}

function checkAttachment({ spec, status }: VolumeAttachment, root: FieldPath): void {
  const at = root.child('spec');
  if (!spec?.attacher) at.child('attacher').required();
  checkSource(spec?.source ?? {}, at.child('source'));
  at.child('nodeName').matches(spec?.nodeName, dns1123Subdomain);
  const bytes = Object.entries(status?.attachmentMetadata ?? {}).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > maxMetadataBytes) root.child('status').child('attachmentMetadata').tooLong('', maxMetadataBytes);
  for (const name of ['attachError', 'detachError'] as const) checkError(status?.[name], root.child('status').child(name));
}

/** What is new is held to more than what was stored. */
function checkNew(object: VolumeAttachment, root: FieldPath): void {
  checkAttachment(object, root);
  checkDriverName(object.spec?.attacher, root.child('spec').child('attacher'));
  const name = object.spec?.source?.persistentVolumeName;
  if (name !== undefined) root.child('spec').child('source').child('persistentVolumeName').matches(name, dns1123Subdomain);
}

function validateUpdate(object: VolumeAttachment, old: VolumeAttachment): FieldError[] {
  return findProblems((root) => {
    checkAttachment(object, root);
    checkImmutable({ value: object.spec, old: old.spec }, root.child('spec'));
  });
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
  validate: (object) => findProblems((root) => checkNew(object, root)),
  validateUpdate,
  validateStatusUpdate: validateUpdate,
  columns: [
    nameColumn,
    text('Attacher', ({ spec }) => spec?.attacher ?? ''),
    text('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    text('Node', ({ spec }) => spec?.nodeName ?? ''),
    flag('Attached', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
});
