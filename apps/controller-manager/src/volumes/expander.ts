import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { PersistentVolumeClaim } from '@orrery/api/types';
import { compareQuantity, parseQuantity } from '@orrery/apimachinery';
import { keyOf } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';

const size = (value: string | undefined) => parseQuantity(value ?? '0');

/** Whether a bound claim asks for more than it has. */
export function wantsMore({ spec, status }: PersistentVolumeClaim): boolean {
  return status?.phase === 'Bound' && compareQuantity(size(spec?.resources?.requests?.['storage']), size(status.capacity?.['storage'])) > 0;
}

/** A claim whose size was raised; later changes of a claim that waits say nothing new. */
function raised(claim: PersistentVolumeClaim, old: PersistentVolumeClaim | undefined): boolean {
  return old !== undefined && compareQuantity(size(claim.spec?.resources?.requests?.['storage']), size(old.spec?.resources?.requests?.['storage'])) > 0;
}

/** Tells claims that grow to wait for the program that made their volume: no kind of volume is expanded from here. */
export const persistentVolumeExpander = defineController({
  name: 'persistentvolume-expander-controller',
  queue: 'volume_expand',
  account: 'expand-controller',
  eventSource: 'volume_expand',
  watches: [watch(PersistentVolumeClaims, ({ object, old, gone }) => (!gone && raised(object, old) && wantsMore(object) ? [keyOf(object)] : []))],
  setup(context) {
    context.store(PersistentVolumes);
  },
  async reconcile(key, { events, store }) {
    const claim = store(PersistentVolumeClaims).get(key);
    if (!claim || !wantsMore(claim) || !store(PersistentVolumes).has(claim.spec?.volumeName ?? '')) return;
    const message = "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to process this PVC.";
    events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'ExternalExpanding', message });
  },
});
