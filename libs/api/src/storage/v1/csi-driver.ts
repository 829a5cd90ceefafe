import type { CSIDriver } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, flag, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';

function setDefaults({ spec }: CSIDriver): void {
  if (!spec) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
}

function checkSpec({ spec }: CSIDriver, at: FieldPath): void {
  for (const mode of spec?.volumeLifecycleModes ?? []) at.child('volumeLifecycleModes').oneOf(mode, ['Ephemeral', 'Persistent']);
  at.child('fsGroupPolicy').oneOf(spec?.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']);
  const audiences = new Set<string>();
  for (const [i, { audience, expirationSeconds }] of (spec?.tokenRequests ?? []).entries()) {
    const path = at.child('tokenRequests').at(i);
    if (audiences.has(audience)) path.child('audience').duplicate(audience);
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    if (expirationSeconds < 600) path.child('expirationSeconds').invalid(expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > 2 ** 32) path.child('expirationSeconds').invalid(expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
}

export const csiDriverKind = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  resource: 'csidrivers',
  namespaced: false,
  unconditionalUpdate: false,
  defaults: setDefaults,
  validate: (driver) => findProblems((root) => checkSpec(driver, root.child('spec'))),
  validateUpdate: (driver, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkSpec(driver, at);
      for (const name of ['attachRequired', 'volumeLifecycleModes'] as const) checkImmutable({ value: driver.spec?.[name], old: old.spec?.[name] }, at.child(name));
    }),
  columns: [
    nameColumn,
    flag('AttachRequired', ({ spec }) => spec?.attachRequired ?? true),
    flag('PodInfoOnMount', ({ spec }) => spec?.podInfoOnMount ?? false),
    flag('StorageCapacity', ({ spec }) => spec?.storageCapacity ?? false),
    text('TokenRequests', ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(',') || '<unset>'),
    flag('RequiresRepublish', ({ spec }) => spec?.requiresRepublish ?? false),
    text('Modes', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn,
  ],
});
