import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret } from '@orrery/api/types';
import type { VolumeFile } from '@orrery/cri';
import { ConfigFault, decodeBase64 } from '../env/environment.ts';
import { type FieldContext, fieldValue, resourceValue } from '../env/field-values.ts';

export type VolumeFiles = Map<string, VolumeFile>;

const encoder = new TextEncoder();
/** Values that the fields of many pods have in common: their namespace, their node. Bytes are never written into. */
const sharedFields = ['metadata.namespace', 'spec.nodeName', 'spec.serviceAccountName', 'status.hostIP'];
const maxShared = 4096;
const shared = new Map<string, Uint8Array>();

function fieldBytes(fieldPath: string | undefined, value: string): Uint8Array | string {
  if (fieldPath === undefined || !sharedFields.includes(fieldPath)) return value;
  let bytes = shared.get(value);
  if (!bytes) {
    if (shared.size >= maxShared) shared.clear();
    shared.set(value, (bytes = encoder.encode(value)));
  }
  return bytes;
}

const encoded = new WeakMap<object, Map<string, Uint8Array>>();

/** Bytes of an object's data, decoded once for all pods that mount the object. */
function dataOf(object: ConfigMap | Secret, kind: KeyedSource['kind']): Map<string, Uint8Array> {
  let found = encoded.get(object);
  if (!found) {
    const config = object as ConfigMap;
    const isSecret = kind === 'secret';
    const text = Object.entries(object.data ?? {}).map(([key, value]): [string, Uint8Array] => [key, isSecret ? decodeBase64(value) : encoder.encode(value)]);
    const binary = isSecret ? [] : Object.entries(config.binaryData ?? {}).map(([key, value]): [string, Uint8Array] => [key, decodeBase64(value)]);
    encoded.set(object, (found = new Map([...text, ...binary])));
  }
  return found;
}

export interface KeyedSource {
  readonly kind: 'config' | 'secret';
  readonly items: readonly KeyToPath[] | undefined;
  readonly optional: boolean;
  readonly defaultMode: number;
}

/** Adds the files of a config map or secret: all keys, or those listed. An object that is not there gives none when optional. */
export function addKeyedFiles(files: VolumeFiles, object: ConfigMap | Secret | undefined, source: KeyedSource): void {
  if (!object) return;
  const data = dataOf(object, source.kind);
  if (!source.items?.length) {
    for (const [key, bytes] of data) files.set(key, { bytes, mode: source.defaultMode });
    return;
  }
  for (const { key, path, mode } of source.items) {
    const bytes = data.get(key);
    if (bytes) files.set(path, { bytes, mode: mode ?? source.defaultMode });
    else if (!source.optional) throw new ConfigFault(`references non-existent ${source.kind} key: ${key}`);
  }
}

/** Adds the files of the downward API. */
export function addDownwardFiles(files: VolumeFiles, pod: Pod, { items = [], defaultMode, fields }: { items: readonly DownwardAPIVolumeFile[] | undefined; defaultMode: number; fields: FieldContext }): void {
  for (const { path, fieldRef, resourceFieldRef, mode } of items) {
    let value: string | undefined = '';
    if (fieldRef) value = fieldValue(pod, fieldRef.fieldPath, fields);
    else if (resourceFieldRef) {
      const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(({ name }) => name === resourceFieldRef.containerName);
      const { resource, divisor } = resourceFieldRef;
      value = container && resourceValue(container, resource, { allocatable: fields.allocatable, ...(divisor === undefined ? {} : { divisor: String(divisor) }) });
    }
    if (value === undefined) throw new ConfigFault(`unsupported fieldPath: ${fieldRef?.fieldPath ?? resourceFieldRef?.resource ?? ''}`);
    files.set(path, { bytes: fieldBytes(fieldRef?.fieldPath, value), mode: mode ?? defaultMode });
  }
}
