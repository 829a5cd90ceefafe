import type { SchedulingV1alpha2PodGroup as PodGroup } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { checkSet } from '../../validation/lists.ts';
import { dns1123Label, dns1123Subdomain } from '../../validation/names.ts';
import { checkGroup } from './templates.ts';

const maxClaims = 4;

function checkSpec({ spec }: PodGroup, at: FieldPath): void {
  const ref = spec?.podGroupTemplateRef;
  if (ref) {
    const path = at.child('podGroupTemplateRef');
    if (!ref.workload) path.invalid('', 'must specify one of: `workload`');
    else {
      path.child('workload').child('workloadName').requires(ref.workload.workloadName, dns1123Subdomain);
      path.child('workload').child('podGroupTemplateName').requires(ref.workload.podGroupTemplateName, dns1123Label);
    }
  }
  checkGroup(spec ?? {}, at);
}

const fixed = ['podGroupTemplateRef', 'schedulingPolicy', 'schedulingConstraints', 'resourceClaims', 'disruptionMode', 'priorityClassName', 'priority'] as const;

export const podGroupKind = defineKind<PodGroup>({
  group: 'scheduling.k8s.io',
  version: 'v1alpha2',
  kind: 'PodGroup',
  resource: 'podgroups',
  namespaced: true,
  hasStatus: true,
  defaults: ({ spec }) => {
    if (spec) spec.disruptionMode ??= 'Pod';
  },
  validate: (group) => findProblems((root) => checkSpec(group, root.child('spec'))),
  validateUpdate: (group, old) =>
    findProblems((root) => {
      for (const name of fixed) checkImmutable({ value: group.spec?.[name], old: old.spec?.[name] }, root.child('spec').child(name));
    }),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      const at = root.child('status');
      checkConditions(status?.conditions, at.child('conditions'));
      checkSet(status?.resourceClaimStatuses, { at: at.child('resourceClaimStatuses'), max: maxClaims, key: ({ name }) => name }, ({ resourceClaimName }, item) => {
        if (resourceClaimName !== undefined) item.child('resourceClaimName').matches(resourceClaimName, dns1123Subdomain);
      });
    }),
  columns: [nameColumn, ageColumn],
});
