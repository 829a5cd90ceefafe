import type { PodTemplate } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const podTemplateKind = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  resource: 'podtemplates',
  namespaced: true,
});
