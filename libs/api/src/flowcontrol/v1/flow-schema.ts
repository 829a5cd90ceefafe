import type { FlowSchema } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const flowSchemaKind = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  resource: 'flowschemas',
  namespaced: false,
  hasStatus: true,
});
