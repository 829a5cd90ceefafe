import type { ValidatingWebhookConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const validatingWebhookConfigurationKind = defineKind<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  resource: 'validatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
});
