import type { PodTemplate } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { formatLabels, nameColumn, text } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { defaultPodTemplate } from './pod-template/defaults.ts';
import { checkPodTemplate } from './pod-template/pod-spec-validation.ts';
import { podSpecWarnings } from './pod-template/warnings.ts';

export const podTemplateKind = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  resource: 'podtemplates',
  namespaced: true,
  generation: ({ template }) => template,
  defaults: ({ template }) => defaultPodTemplate(template),
  validate: ({ template }) => findProblems((root) => checkPodTemplate(template, root.child('template'))),
  warnings: ({ template }, old) => podSpecWarnings(template?.spec, { old: old?.template?.spec, path: 'template.spec', metadata: template?.metadata }),
  columns: [
    nameColumn,
    text('Containers', ({ template }) => (template?.spec?.containers ?? []).map(({ name }) => name).join(',')),
    text('Images', ({ template }) => (template?.spec?.containers ?? []).map(({ image }) => image ?? '').join(',')),
    text('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
});
