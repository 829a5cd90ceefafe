import type { KubeObject } from '@orrery/apimachinery';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { creates, wants } from './match.ts';

const finalizers: Readonly<Record<string, string>> = {
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
};

/** Claims and volumes outlive their deletion while they are used: controllers remove these finalizers. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: wants(creates('persistentvolumeclaims'), creates('persistentvolumes')),
  admit({ kind, object }) {
    const finalizer = finalizers[kind.resource] as string;
    const { metadata = {} } = object as KubeObject;
    if (metadata.finalizers?.includes(finalizer)) return;
    object.metadata = { ...metadata, finalizers: [...(metadata.finalizers ?? []), finalizer] };
  },
};
