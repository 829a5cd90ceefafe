import type { CSIDriver } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import type { KindDescriptor } from '../../kind.ts';
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

const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const modes = ['Persistent', 'Ephemeral'];
const minPeriodSeconds = 10;

function checkSpec({ spec }: CSIDriver, at: FieldPath): void {
  const policy = spec?.fsGroupPolicy;
  if (policy !== undefined && !groupPolicies.includes(policy)) at.child('fsGroupPolicy').notSupported(policy, groupPolicies);
  const audiences = new Set<string>();
  for (const [i, { audience, expirationSeconds }] of (spec?.tokenRequests ?? []).entries()) {
    const path = at.child('tokenRequests').at(i);
    if (audiences.has(audience)) path.child('audience').duplicate(audience);
    if (audiences.has(audience) || expirationSeconds === undefined) {
      audiences.add(audience);
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds < 600) path.child('expirationSeconds').invalid(expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > 2 ** 32) path.child('expirationSeconds').invalid(expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
  for (const mode of spec?.volumeLifecycleModes ?? []) if (!modes.includes(mode)) at.child('volumeLifecycleModes').notSupported(mode, modes);
  const period = spec?.nodeAllocatableUpdatePeriodSeconds;
  if (period !== undefined && period < minPeriodSeconds) at.child('nodeAllocatableUpdatePeriodSeconds').invalid(period, `must be greater than or equal to ${minPeriodSeconds} seconds`);
}

const base = defineKind<CSIDriver>({
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
      // Upstream names the field so.
      checkImmutable({ value: driver.spec?.attachRequired, old: old.spec?.attachRequired }, at.child('attachedRequired'));
      checkImmutable({ value: driver.spec?.volumeLifecycleModes, old: old.spec?.volumeLifecycleModes }, at.child('volumeLifecycleModes'));
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

/** Its generation counts changes from the first one on: a new driver has none. */
export const csiDriverKind: KindDescriptor<CSIDriver> = {
  ...base,
  prepareForUpdate: (driver, old, context) => {
    base.prepareForUpdate(driver, old, context);
    if (!semanticEqual(driver.spec, old.spec)) driver.metadata = { ...driver.metadata, generation: (old.metadata?.generation ?? 0) + 1 };
  },
};
