import { isRecord } from '../equality.ts';
import type { Schema } from '../schema.ts';
import { validateAnnotations } from '../validation/object-meta.ts';
import { checkApplied } from './check-applied.ts';
import { emptyFieldSet, type FieldSet, subtractSets } from './field-set.ts';
import { compareObjects } from './compare.ts';
import { toFieldSet } from './to-field-set.ts';
import { canonicalJson } from './typed-values.ts';

type Fields = Record<string, unknown>;

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** Only this manager's applies go together with those of `kubectl apply` on the client's side. */
const manager = 'kubectl';

function annotationsOf(object: unknown): Fields {
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined;
  return isRecord(annotations) ? annotations : {};
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What client-side apply has said and what is still so: kubectl takes these fields over without a conflict. */
export function lastAppliedSet(options: { live: unknown; manager: string; schema: Schema; apiVersion: string }): FieldSet {
  const text = annotationsOf(options.live)[annotation];
  if (options.manager !== manager || typeof text !== 'string') return emptyFieldSet;
  const last = parsed(text);
  const { schema } = options;
  if (!isRecord(last) || last['apiVersion'] !== options.apiVersion || checkApplied(last, schema).length > 0) return emptyFieldSet;
  const { gained, removed } = compareObjects(last, options.live, schema);
  return subtractSets(subtractSets(toFieldSet(last, schema), gained), removed);
}

/** As Go writes JSON: sorted, and nothing that HTML would take for markup. */
function goJson(value: unknown): string {
  return `${canonicalJson(value).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}

/** Keeps client-side apply's record in step with what kubectl applies on the server's side; one that gets too big goes. */
export function withLastApplied(object: Fields, applied: Fields, name: string): Fields {
  const { [annotation]: record, ...rest } = annotationsOf(object);
  if (name !== manager || typeof record !== 'string' || record === '') return object;
  const metadata = applied['metadata'] as Fields;
  const isAnnotated = isRecord(metadata['annotations']);
  const { [annotation]: _own, ...said } = annotationsOf(applied);
  const text = goJson({ ...applied, metadata: { ...metadata, ...(isAnnotated ? { annotations: said } : {}) } });
  const annotations = { ...rest, [annotation]: text } as Record<string, string>;
  const isTooBig = validateAnnotations(annotations, '').some(({ reason }) => reason === 'FieldValueTooLong');
  return { ...object, metadata: { ...(object['metadata'] as Fields), annotations: isTooBig ? rest : annotations } };
}
