import { DecodeError, type FieldValidation, decodeChanged, decodeValue, schemaOf, strictError, warningLines } from '@orrery/api';
import { ApplyError, type KubeObject, type ObjectSchema, PatchError, applyPatch as applyServerSide, applyConflictError, applyJsonPatch, applyMergePatch, applyStrategicMergePatch, goFormat, isRecord } from '@orrery/apimachinery';
import { StatusError, badRequest, conflict, fieldError, invalid, tooLarge, unsupportedMediaType } from '@orrery/errors';
import { conversionsOf } from './conversions.ts';
import { ownership } from './managed-fields.ts';
import { checkCustomType, madeAnother } from './other-kind.ts';
import type { Registry, RequestScope, WriteOptions } from './registry.ts';
import { type UpdateResult, updateWith } from './update.ts';

export type PatchType = 'application/json-patch+json' | 'application/merge-patch+json' | 'application/strategic-merge-patch+json' | 'application/apply-patch+yaml';

export interface PatchInput {
  readonly type: PatchType;
  /** The patch as JSON. */
  readonly patch: unknown;
  readonly options: WriteOptions;
  readonly mode: FieldValidation;
  /** What strict decoding says of the patch itself: `duplicate field "spec.paused"`. */
  readonly problems?: readonly string[];
  /** Of apply: takes fields from other managers. */
  readonly force: boolean;
  /** From a component in this process, which is known by its user name when it names no field manager. */
  readonly isInternal?: boolean;
}

/** A patch that does not fit the object. Upstream keeps the reason to itself, and so scripts know this answer. */
function unprocessable(): StatusError {
  return new StatusError({ code: 422, reason: 'Invalid', message: 'the server rejected our request due to an error in our request', details: {} });
}

/** What upstream's converter from maps to structs says where its JSON decoder says `cannot unmarshal …`. */
function conversionError(message: string): string {
  const [, value = '', type = ''] = /^json: cannot unmarshal (\w+) into .* of type (\S+)$/.exec(message) ?? [];
  const found = { array: 'slice', object: 'map', number: 'int64' }[value] ?? value;
  if (type.startsWith('[]')) return `cannot restore slice from ${found}`;
  if (type.startsWith('map[')) return `cannot restore map from ${found}`;
  if (type.includes('.')) return `cannot restore struct from: ${found}`;
  return type ? `unrecognized type: ${type}` : message;
}

/** The patched object is none of its kind: 422 about the field `patch`. */
function undecodable(error: DecodeError, input: PatchInput, patched: unknown): StatusError {
  const isStrategic = input.type === 'application/strategic-merge-patch+json';
  const value = isStrategic ? goFormat(input.patch) : JSON.stringify(patched);
  const why = isStrategic && !error.isStrict ? conversionError(error.message) : error.message;
  return invalid({ group: '', kind: '', name: '' }, [fieldError.invalid('patch', value, why)]);
}

/** What went wrong with a patch, as it is answered. */
export function statusOf(error: unknown): unknown {
  if (error instanceof PatchError) {
    if (error.kind === 'tooLarge') return tooLarge(`Request entity too large: ${error.message}`);
    if (error.kind === 'failed') return new StatusError({ code: 500, message: error.message });
    return error.kind === 'malformed' ? badRequest(error.message) : unprocessable();
  }
  if (error instanceof ApplyError) return error.code === 400 ? badRequest(error.message) : new StatusError({ code: 500, message: error.message });
  if (error instanceof DecodeError) return error.isStrict ? badRequest(error.message) : unprocessable();
  return error;
}

export interface PatchTarget {
  readonly schema: ObjectSchema;
  readonly scope: Pick<RequestScope, 'warn'>;
  /** Only metadata and status can change: whatever else is as it was may be shared with the current object. */
  readonly keepsRest?: boolean;
  /** What the object is, and stays. */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
}

/** What is worked on of an object whose status changes. */
const changing = ['metadata', 'status'];

type Applier = (current: KubeObject, input: PatchInput, schema: ObjectSchema) => unknown;

const appliers: Partial<Record<PatchType, Applier>> = {
  'application/json-patch+json': (current, { patch }) => applyJsonPatch(current, patch),
  'application/merge-patch+json': (current, { patch }) => applyMergePatch(current, patch),
  'application/strategic-merge-patch+json': (current, { patch }, schema) => applyStrategicMergePatch(current, patch, schema),
};

/** Unknown and doubled fields of the patch and of what came of it: an error, or warnings. */
function settle(input: PatchInput, target: PatchTarget, found: readonly string[]): void {
  if (input.mode === 'Ignore') return;
  // Only a JSON patch goes on from bytes; of maps upstream tells the fields by name.
  const fields = input.type === 'application/json-patch+json' ? found : [...found].sort();
  const problems = [...(input.problems ?? []), ...fields];
  if (problems.length === 0) return;
  if (input.mode === 'Strict') throw strictError(problems);
  for (const text of problems) target.scope.warn(text);
}

/** A strategic merge goes on from maps, which upstream takes for what was patched whatever they say. */
function checkKind(patched: unknown, current: KubeObject, { input, kind, schema }: Pick<PatchTarget, 'kind' | 'schema'> & { input: PatchInput }): void {
  if (!kind || input.type === 'application/strategic-merge-patch+json' || !isRecord(patched)) return;
  if (patched['kind'] === current.kind && patched['apiVersion'] === current.apiVersion) return;
  if (schema.isCustom) return checkCustomType(patched as KubeObject, kind);
  const why = madeAnother(patched, kind);
  if (why !== undefined) throw new DecodeError(why);
}

/** The patched object, decoded as if it had been sent. Throws 400, 413, 422 and 500 in upstream's words. */
export function applyPatch(current: KubeObject, input: PatchInput, target: PatchTarget): KubeObject {
  const apply = appliers[input.type];
  if (!apply) throw unsupportedMediaType(`${input.type} is not supported here`);
  let patched: unknown;
  try {
    patched = apply(current, input, target.schema);
    checkKind(patched, current, { input, kind: target.kind, schema: target.schema });
    const { schema, keepsRest } = target;
    const mode = input.mode === 'Ignore' ? 'Ignore' : 'Warn';
    const { object, warnings } = keepsRest && isRecord(patched) ? decodeChanged(patched, current, { schema, mode, changing }) : decodeValue(patched, schema, mode);
    settle(input, target, warnings);
    return object as KubeObject;
  } catch (error) {
    throw error instanceof DecodeError ? undecodable(error, input, patched) : statusOf(error);
  }
}

/** Throws 422 for an apply of nobody. */
export function checkApply(input: PatchInput): void {
  if (input.options.raw['fieldManager'] || input.isInternal) return;
  throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', name: '' }, [fieldError.required('fieldManager', 'is required for apply patch')]);
}

/** Keys that the YAML of an applied object names twice; told only when the object could be applied. */
export function settleApplied(scope: Pick<RequestScope, 'warn'>, { problems = [], mode }: PatchInput): void {
  const [problem] = problems;
  if (problem === undefined) return;
  if (mode === 'Strict') throw badRequest(`error strict decoding YAML: ${problem}`);
  for (const text of warningLines(problem)) scope.warn(text);
}

/** Server-side apply: creates the object when there is none. */
function apply(registry: Registry, scope: RequestScope, input: PatchInput): Promise<UpdateResult> {
  checkApply(input);
  const { kind, info } = scope;
  return updateWith(registry, scope, {
    options: input.options,
    createIfAbsent: info.subresource === '',
    unconditional: true,
    isTracked: true,
    transform: async (current) => {
      const conversions = conversionsOf(kind);
      const about = ownership(registry, scope, conversions);
      if (!current && (input.patch as KubeObject | null)?.metadata?.uid) {
        const uid = (input.patch as KubeObject).metadata?.uid;
        throw conflict({ group: kind.group, resource: kind.resource, name: info.name }, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`);
      }
      try {
        const act = (): ReturnType<typeof applyServerSide> => applyServerSide({ live: current, applied: input.patch, manager: input.options.fieldManager, force: input.force, ...about });
        const result = conversions ? await conversions.complete(act) : act();
        if ('conflicts' in result) throw applyConflictError(result.conflicts);
        settleApplied(scope, input);
        return decodeValue(result.object, about.schema, 'Ignore').object as KubeObject;
      } catch (error) {
        throw statusOf(error);
      }
    },
  });
}

/** PATCH. Applied to the current object again whenever it changed meanwhile, unless the patch names a resourceVersion. */
export async function patch(registry: Registry, scope: RequestScope, input: PatchInput): Promise<UpdateResult> {
  const { kind } = scope;
  scope.audit?.patch(input.patch);
  if (input.type === 'application/apply-patch+yaml') return apply(registry, scope, input);
  const schema = kind.schema ?? schemaOf(kind.definition);
  return updateWith(registry, scope, {
    options: input.options,
    createIfAbsent: false,
    unconditional: true,
    transform: (current) => applyPatch(current as KubeObject, input, { schema, scope, kind, keepsRest: scope.info.subresource === 'status' }),
  });
}
