import type { VolumeAttachment } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const volumeAttachmentKind = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  resource: 'volumeattachments',
  namespaced: false,
  hasStatus: true,
});
