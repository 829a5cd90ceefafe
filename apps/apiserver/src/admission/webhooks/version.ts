import { type KindDescriptor, definitionOfKind, schemaOf } from '@orrery/api';
import { type KubeObject, type ObjectSchema, cloneJson, formatApiVersion } from '@orrery/apimachinery';
import type { AdmissionAttributes } from '../../pipeline/index.ts';

/** Is the object of the resource's own kind, rather than a Binding, Scale or the like? */
export function isOwnKind({ kind, objectKind }: AdmissionAttributes): boolean {
  return objectKind.kind === kind.kind && objectKind.group === kind.group && objectKind.version === kind.version;
}

/** What conversion webhooks have made of objects, for `convertTo`. */
const prepared = new WeakMap<object, WeakMap<KindDescriptor, KubeObject>>();

/** The object at an equivalent kind, asking a conversion webhook where one stands between them. */
export async function converted(object: KubeObject, from: KindDescriptor, to: KindDescriptor): Promise<KubeObject> {
  const copy = cloneJson(object);
  const stored = (from.storedAs?.conversion ? await from.storedAs.conversion.toStorage(copy) : (from.storedAs?.toStorage(copy) ?? copy)) as KubeObject;
  const conversion = to.storedAs?.conversion;
  const made = (conversion?.needed(stored) ? (await conversion.fromStorage([stored]))[0] : (to.storedAs?.fromStorage(stored) ?? stored)) as KubeObject;
  return { ...made, kind: to.kind, apiVersion: formatApiVersion(to.group, to.version) };
}

/**
 * To be called before the write is shown as `kind` (reviewRequest), again whenever somebody changed the object: where a
 * conversion webhook stands between the kinds it is asked now. Rejects with its failure, a StatusError.
 */
export async function prepareReview(attributes: AdmissionAttributes, kind: KindDescriptor): Promise<void> {
  const from = attributes.kind;
  if (from === kind || !isOwnKind(attributes) || !(from.storedAs?.conversion ?? kind.storedAs?.conversion)) return;
  for (const object of [attributes.object, attributes.oldObject] as (KubeObject | undefined)[]) {
    if (!object) continue;
    const known = prepared.get(object) ?? new WeakMap<KindDescriptor, KubeObject>();
    prepared.set(object, known.set(kind, await converted(object, from, kind)));
  }
}

/** The object at an equivalent kind. The same object when the kinds are the same, else a copy. */
export function convertTo(object: KubeObject | undefined, from: KindDescriptor, to: KindDescriptor): KubeObject | undefined {
  if (object === undefined || from === to) return object;
  const ready = prepared.get(object)?.get(to);
  if (ready) return cloneJson(ready);
  const copy = cloneJson(object);
  const stored = (from.storedAs ? from.storedAs.toStorage(copy) : copy) as KubeObject;
  const made = (to.storedAs ? to.storedAs.fromStorage(stored) : stored) as KubeObject;
  return { ...made, kind: to.kind, apiVersion: formatApiVersion(to.group, to.version) };
}

/** What a patched object is decoded by; undefined for a kind that is not in the tables. */
export function schemaFor(attributes: AdmissionAttributes, kind: KindDescriptor): ObjectSchema | undefined {
  if (isOwnKind(attributes)) return kind.schema ?? schemaOf(kind.definition);
  const { group, version, kind: name } = attributes.objectKind;
  const definition = definitionOfKind(formatApiVersion(group, version), name);
  return definition ? schemaOf(definition.name) : undefined;
}
