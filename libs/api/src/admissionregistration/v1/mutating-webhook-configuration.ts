import type { MutatingWebhookConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const mutatingWebhookConfigurationKind = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  resource: 'mutatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
});
