import { type KindDescriptor, decodeValue } from '@orrery/api';
import { type KubeObject, cloneJson, deepEqual } from '@orrery/apimachinery';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { converted, isOwnKind, schemaFor } from './version.ts';

type Fields = Record<string, unknown>;

/** The draft is held by others too: its content is exchanged, not the object. */
function replaceContent(draft: Fields, content: Fields): void {
  for (const name of Object.keys(draft)) delete draft[name];
  Object.assign(draft, content);
}

/** What a webhook or policy that saw the draft as `kind` made of it, decoded, defaulted and back at the version of the request. */
async function adopted(attributes: AdmissionAttributes, kind: KindDescriptor, result: unknown): Promise<KubeObject> {
  const schema = schemaFor(attributes, kind);
  const object = (schema ? decodeValue(result, schema, 'Ignore').object : result) as KubeObject & Fields;
  object['metadata'] ??= {};
  if (!isOwnKind(attributes)) return object;
  kind.defaults(object);
  if (kind === attributes.kind) return object;
  const back = await converted(object, kind, attributes.kind);
  attributes.kind.defaults(back);
  return back;
}

/** Puts `result` in place of the draft's content; true when that changed it. Rejects with a DecodeError, or the failure of a conversion webhook. */
export async function rewrite(attributes: AdmissionAttributes, kind: KindDescriptor, result: unknown): Promise<boolean> {
  const draft = attributes.object as Fields;
  const before = cloneJson(draft) as unknown as KubeObject;
  if (isOwnKind(attributes)) attributes.kind.defaults(before);
  const after = await adopted(attributes, kind, result);
  if (deepEqual(before, after)) return false;
  replaceContent(draft, after as Fields);
  return true;
}
