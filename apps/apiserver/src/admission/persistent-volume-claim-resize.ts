import { StorageClasses } from '@orrery/api';
import type { PersistentVolumeClaim } from '@orrery/api/types';
import { compareQuantity, parseQuantity } from '@orrery/apimachinery';
import { forbidden } from '@orrery/errors';
import type { AdmissionPlugin, ObjectReader } from '../pipeline/index.ts';
import { subjectOf, wants } from './match.ts';

const storageOf = (claim: PersistentVolumeClaim): string | number => claim.spec?.resources?.requests?.['storage'] ?? '0';

/** Claims grow only when bound, and when their class says that it can do that. */
export function persistentVolumeClaimResize(read: ObjectReader): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: wants({ resource: 'persistentvolumeclaims', operations: ['UPDATE'] }),
    validate(attributes) {
      const [claim, old] = [attributes.object as PersistentVolumeClaim, attributes.oldObject as PersistentVolumeClaim];
      if (compareQuantity(parseQuantity(storageOf(claim)), parseQuantity(storageOf(old))) <= 0) return;
      if (old.status?.phase !== 'Bound') throw forbidden(subjectOf(attributes), 'Only bound persistent volume claims can be expanded');
      const name = claim.spec?.storageClassName;
      if (name && read.get(StorageClasses, { name })?.allowVolumeExpansion) return;
      throw forbidden(subjectOf(attributes), 'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize');
    },
  };
}
