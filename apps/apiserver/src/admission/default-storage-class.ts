import { StorageClasses } from '@orrery/api';
import type { PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import type { AdmissionPlugin, ObjectReader } from '../pipeline/index.ts';
import { creates, wants } from './match.ts';

const defaultAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** The newest of the classes marked as default. */
export function defaultStorageClassOf(read: ObjectReader): StorageClass | undefined {
  const age = (one: StorageClass): string => one.metadata?.creationTimestamp ?? '';
  const name = (one: StorageClass): string => one.metadata?.name ?? '';
  return read
    .list(StorageClasses)
    .filter((one) => defaultAnnotations.some((key) => one.metadata?.annotations?.[key] === 'true'))
    .sort((a, b) => (age(a) === age(b) ? (name(a) < name(b) ? -1 : 1) : age(a) > age(b) ? -1 : 1))[0];
}

/** Claims that name no class get the default one. */
export function defaultStorageClass(read: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: wants(creates('persistentvolumeclaims')),
    admit({ object }) {
      const claim = object as PersistentVolumeClaim;
      if (claim.spec?.storageClassName !== undefined || claim.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return;
      const found = defaultStorageClassOf(read);
      if (found) claim.spec = { ...claim.spec, storageClassName: found.metadata?.name ?? '' };
    },
  };
}
