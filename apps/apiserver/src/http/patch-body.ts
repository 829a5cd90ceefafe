import { DecodeError, type FieldValidation, duplicateFields, jsonPatchProblems, parseYaml } from '@orrery/api';
import { JsonSyntaxError, type ParsedJson, isRecord, parseJson } from '@orrery/apimachinery';
import { badRequest } from '@orrery/errors';
import type { PatchType } from '../registry/patch.ts';

export interface PatchBody {
  readonly patch: unknown;
  /** What strict decoding says of the patch itself; nothing when told to ignore it. */
  readonly problems: readonly string[];
}

const notAMap = (value: unknown): string => {
  const what = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`;
};

function parseText(body: Buffer): ParsedJson {
  try {
    return parseJson(body.toString('utf8'));
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new DecodeError(error.message);
    throw error;
  }
}

type Reader = (body: Buffer) => PatchBody;

const readJsonPatch: Reader = (body) => {
  const parsed = parseText(body);
  return { patch: parsed.value ?? [], problems: jsonPatchProblems(parsed) };
};

const readMap: Reader = (body) => {
  const parsed = parseText(body);
  if (parsed.value !== null && !isRecord(parsed.value)) throw new DecodeError(notAMap(parsed.value));
  return { patch: parsed.value, problems: duplicateFields(parsed) };
};

const readMergePatch: Reader = (body) => {
  const read = readMap(body);
  if (read.patch === null) throw badRequest('Invalid JSON Patch');
  return read;
};

const readStrategic: Reader = (body) => {
  const { patch, problems } = readMap(body);
  return { patch: patch ?? {}, problems };
};

const readApplied: Reader = (body) => {
  let read: ReturnType<typeof parseYaml>;
  try {
    read = parseYaml(body.toString('utf8'));
  } catch (error) {
    if (error instanceof DecodeError) throw new DecodeError(`error converting YAML to JSON: ${error.message}`);
    throw error;
  }
  const { value, problems } = read;
  if (value !== null && !isRecord(value)) throw new DecodeError(`error unmarshaling JSON: while decoding JSON: ${notAMap(value)}`);
  return { patch: value ?? {}, problems: problems.map((problem) => `error converting YAML to JSON: ${problem}`) };
};

/** How each type is read, and what goes before what its decoder says. */
const readers: Readonly<Record<PatchType, readonly [Reader, string]>> = {
  'application/json-patch+json': [readJsonPatch, 'error decoding patch: '],
  'application/merge-patch+json': [readMergePatch, 'error decoding patch: '],
  'application/strategic-merge-patch+json': [readStrategic, ''],
  'application/apply-patch+yaml': [readApplied, 'error decoding YAML: '],
};

/** Reads a patch. Throws 400 in upstream's words. */
export function readPatchBody(body: Buffer, type: PatchType, mode: FieldValidation): PatchBody {
  const [read, words] = readers[type];
  try {
    const found = read(body);
    return mode === 'Ignore' ? { patch: found.patch, problems: [] } : found;
  } catch (error) {
    if (error instanceof DecodeError) throw badRequest(words + error.message);
    throw error;
  }
}
