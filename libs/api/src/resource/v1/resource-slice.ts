import type { ResourceSlice } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkUniqueLabel } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';

const maxDevices = 128;

function checkSpec({ spec }: ResourceSlice, at: FieldPath): void {
  at.child('driver').requires(spec?.driver, dns1123Subdomain);
  if (!spec?.pool?.name) at.child('pool').child('name').required();
  const count = spec?.pool?.resourceSliceCount ?? 0;
  if (count <= 0) at.child('pool').child('resourceSliceCount').invalid(count, 'must be greater than zero');
  const places = [spec?.nodeName, spec?.nodeSelector, spec?.allNodes, spec?.perDeviceNodeSelection].filter(Boolean).length;
  const choices = '`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`';
  if (places === 0) at.required(`exactly one of ${choices} is required`);
  if (places > 1) at.invalid('', `exactly one of ${choices} is required, but multiple fields are set`);
  const devices = spec?.devices ?? [];
  if (devices.length > maxDevices) at.child('devices').tooMany(devices.length, maxDevices);
  const seen = new Set<string>();
  for (const [i, device] of devices.entries()) checkUniqueLabel(device.name, { seen, at: at.child('devices').at(i).child('name') });
}

export const resourceSliceKind = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  resource: 'resourceslices',
  namespaced: false,
  generation: 'spec',
  validate: (slice) => findProblems((root) => checkSpec(slice, root.child('spec'))),
  validateUpdate: (slice, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkSpec(slice, at);
      checkImmutable({ value: slice.spec?.driver, old: old.spec?.driver }, at.child('driver'));
      checkImmutable({ value: slice.spec?.pool?.name, old: old.spec?.pool?.name }, at.child('pool').child('name'));
      checkImmutable({ value: slice.spec?.nodeName, old: old.spec?.nodeName }, at.child('nodeName'));
    }),
  selectableFields: ['spec.nodeName', 'spec.driver'],
  selectable: ({ spec }) => ({ 'spec.nodeName': spec?.nodeName ?? '', 'spec.driver': spec?.driver ?? '' }),
  columns: [
    nameColumn,
    text('Node', ({ spec }) => spec?.nodeName || '<unset>'),
    text('Driver', ({ spec }) => spec?.driver ?? ''),
    text('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
});
