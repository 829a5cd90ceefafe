import { type KindDescriptor, definitionOfKind, schemaOf } from '@orrery/api';
import { type KubeObject, type ObjectSchema, cloneJson, formatApiVersion } from '@orrery/apimachinery';
import type { AdmissionAttributes } from '../../pipeline/index.ts';

/** Is the object of the resource's own kind, rather than a Binding, Scale or the like? */
export function isOwnKind({ kind, objectKind }: AdmissionAttributes): boolean {
  return objectKind.kind === kind.kind && objectKind.group === kind.group && objectKind.version === kind.version;
}

/** The object at an equivalent kind. The same object when the kinds are the same, else a copy. */
export function convertTo(object: KubeObject | undefined, from: KindDescriptor, to: KindDescriptor): KubeObject | undefined {
  if (object === undefined || from === to) return object;
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
