import type { MutatingWebhookConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, integer, nameColumn } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { checkWebhooks, defaultWebhook, toleranceOf } from './webhooks.ts';

export const mutatingWebhookConfigurationKind = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  resource: 'mutatingwebhookconfigurations',
  namespaced: false,
  categories: ['api-extensions'],
  unconditionalUpdate: false,
  generation: ({ webhooks }) => webhooks,
  defaults: ({ webhooks }) => {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
  validate: ({ webhooks }) => findProblems((root) => checkWebhooks(webhooks, root.child('webhooks'))),
  validateUpdate: ({ webhooks }, old) => findProblems((root) => checkWebhooks(webhooks, root.child('webhooks'), toleranceOf(webhooks, old.webhooks))),
  columns: [nameColumn, integer('Webhooks', ({ webhooks }) => (webhooks ?? []).length), ageColumn],
});
