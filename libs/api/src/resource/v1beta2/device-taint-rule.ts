import type { ResourceV1beta2DeviceTaintRule as DeviceTaintRule, ResourceV1beta2DeviceTaintSelector as DeviceTaintSelector } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkDriverName, checkLabelName, checkPoolName } from '../v1/names.ts';
import { checkTaint, stampTaint } from '../v1/taints.ts';

const maxConditions = 8;

function checkSelector({ driver, pool, device }: DeviceTaintSelector, at: FieldPath): void {
  if (driver !== undefined) checkDriverName(driver, at.child('driver'));
  if (pool !== undefined) checkPoolName(pool, at.child('pool'));
  if (device !== undefined) checkLabelName(device, at.child('device'));
}

function checkRule({ spec }: DeviceTaintRule, { at, old }: { at: FieldPath; old?: DeviceTaintRule }): void {
  if (spec?.deviceSelector) checkSelector(spec.deviceSelector, at.child('deviceSelector'));
  checkTaint(spec?.taint, { at: at.child('taint'), old: old?.spec?.taint });
}

function stamp({ spec }: DeviceTaintRule, nowMs: number): void {
  if (spec?.taint) stampTaint(spec.taint, nowMs);
}

export const deviceTaintRuleKind = defineKind<DeviceTaintRule>({
  group: 'resource.k8s.io',
  version: 'v1beta2',
  kind: 'DeviceTaintRule',
  resource: 'devicetaintrules',
  namespaced: false,
  hasStatus: true,
  generation: 'spec',
  onCreate: (rule, { nowMs }) => stamp(rule, nowMs),
  onUpdate: (rule, _old, { nowMs }) => stamp(rule, nowMs),
  validate: (rule) => findProblems((root) => checkRule(rule, { at: root.child('spec') })),
  validateUpdate: (rule, old) => findProblems((root) => checkRule(rule, { at: root.child('spec'), old })),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      const at = root.child('status').child('conditions');
      checkConditions(status?.conditions, at);
      if ((status?.conditions ?? []).length > maxConditions) at.tooMany((status?.conditions ?? []).length, maxConditions);
    }),
  columns: [nameColumn, ageColumn],
});
