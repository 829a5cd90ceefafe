import type { SchedulingV1alpha2Workload as Workload } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { checkSet } from '../../validation/lists.ts';
import { dns1123Label, dns1123Subdomain, pathSegment } from '../../validation/names.ts';
import { checkGroup } from './templates.ts';

const maxTemplates = 8;

function checkSpec({ spec }: Workload, at: FieldPath): void {
  const ref = spec?.controllerRef;
  if (ref) {
    const path = at.child('controllerRef');
    if (ref.apiGroup) path.child('apiGroup').matches(ref.apiGroup, dns1123Subdomain);
    path.child('kind').requires(ref.kind, pathSegment);
    path.child('name').requires(ref.name, pathSegment);
  }
  const templates = at.child('podGroupTemplates');
  if ((spec?.podGroupTemplates ?? []).length === 0) return templates.required();
  checkSet(spec?.podGroupTemplates, { at: templates, max: maxTemplates, key: ({ name }) => name }, (template, item) => {
    item.child('name').requires(template.name, dns1123Label);
    checkGroup(template, item);
  });
}

export const workloadKind = defineKind<Workload>({
  group: 'scheduling.k8s.io',
  version: 'v1alpha2',
  kind: 'Workload',
  resource: 'workloads',
  namespaced: true,
  validate: (workload) => findProblems((root) => checkSpec(workload, root.child('spec'))),
  validateUpdate: (workload, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      for (const name of ['controllerRef', 'podGroupTemplates'] as const) checkImmutable({ value: workload.spec?.[name], old: old.spec?.[name] }, at.child(name));
    }),
  columns: [nameColumn, ageColumn],
});
