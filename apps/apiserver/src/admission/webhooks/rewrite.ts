import { type KindDescriptor, decodeValue } from '@orrery/api';
import { type KubeObject, cloneJson, deepEqual } from '@orrery/apimachinery';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { convertTo, isOwnKind, schemaFor } from './version.ts';

type Fields = Record<string, unknown>;

/** The draft is held by others too: its content is exchanged, not the object. */
function replaceContent(draft: Fields, content: Fields): void {
  for (const name of Object.keys(draft)) delete draft[name];
  Object.assign(draft, content);
}

/** What a webhook or policy that saw the draft as `kind` made of it, decoded, defaulted and back at the version of the request. */
function adopted(attributes: AdmissionAttributes, kind: KindDescriptor, result: unknown): KubeObject {
  const schema = schemaFor(attributes, kind);
  const object = (schema ? decodeValue(result, schema, 'Ignore').object : result) as KubeObject & Fields;
  object['metadata'] ??= {};
  if (!isOwnKind(attributes)) return object;
  kind.defaults(object);
  const back = convertTo(object, kind, attributes.kind) as KubeObject;
  if (kind !== attributes.kind) attributes.kind.defaults(back);
  return back;
}

/** Puts `result` in place of the draft's content; true when that changed it. Throws DecodeError. */
export function rewrite(attributes: AdmissionAttributes, kind: KindDescriptor, result: unknown): boolean {
  const draft = attributes.object as Fields;
  const before = cloneJson(draft) as unknown as KubeObject;
  if (isOwnKind(attributes)) attributes.kind.defaults(before);
  const after = adopted(attributes, kind, result);
  if (deepEqual(before, after)) return false;
  replaceContent(draft, after as Fields);
  return true;
}
