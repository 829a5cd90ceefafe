import { isRecord, type ParsedJson } from '@orrery/apimachinery';
import { DecodeError } from './decode-error.ts';
import { goValue } from './go-type.ts';

const maxProblems = 100;

interface Finding {
  readonly parsed: ParsedJson;
  readonly problems: Set<string>;
}

function visit(finding: Finding, path: string, value: unknown): void {
  if (finding.problems.size >= maxProblems) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => visit(finding, `${path}[${i}]`, item));
  } else if (isRecord(value)) {
    const seen = new Set<string>();
    for (const [name, member] of finding.parsed.duplicates.get(value) ?? Object.entries(value)) {
      const below = path === '' ? name : `${path}.${name}`;
      if (seen.has(name)) finding.problems.add(`duplicate field ${JSON.stringify(below)}`);
      seen.add(name);
      visit(finding, below, member);
    }
  }
}

/** Members that a JSON document names twice, in its order: `duplicate field "spec.paused"`; at most 100. */
export function duplicateFields(parsed: ParsedJson): string[] {
  if (parsed.duplicates.size === 0) return [];
  const finding: Finding = { parsed, problems: new Set() };
  visit(finding, '', parsed.value);
  return [...finding.problems].slice(0, maxProblems);
}

/** Members of an operation; those that are true must be texts. */
const operationFields: ReadonlyMap<string, boolean> = new Map([['op', true], ['path', true], ['from', true], ['value', false]]);

function checkOperation(name: string, value: unknown): void {
  if (!operationFields.get(name) || typeof value === 'string' || value === null) return;
  throw new DecodeError(`json: cannot unmarshal ${goValue(value)} into Go struct field jsonPatchOp.${name} of type string`);
}

/**
 * What strict decoding says of a JSON patch, in document order: members that operations do not have, and doubled ones.
 * Throws DecodeError for what is no list of operations.
 */
export function jsonPatchProblems(parsed: ParsedJson): string[] {
  const { value: patch } = parsed;
  if (patch === null) return [];
  if (!Array.isArray(patch)) throw new DecodeError(`json: cannot unmarshal ${goValue(patch)} into Go value of type []handlers.jsonPatchOp`);
  const finding: Finding = { parsed, problems: new Set() };
  patch.forEach((operation: unknown, i) => {
    if (operation === null) return;
    if (!isRecord(operation)) throw new DecodeError(`json: cannot unmarshal ${goValue(operation)} into Go value of type handlers.jsonPatchOp`);
    const seen = new Set<string>();
    for (const [name, member] of parsed.duplicates.get(operation) ?? Object.entries(operation)) {
      const path = `[${i}].${name}`;
      if (!operationFields.has(name)) {
        finding.problems.add(`unknown field ${JSON.stringify(path)}`);
        continue;
      }
      checkOperation(name, member);
      if (seen.has(name)) finding.problems.add(`duplicate field ${JSON.stringify(path)}`);
      seen.add(name);
      if (parsed.duplicates.size > 0) visit(finding, path, member);
    }
  });
  return [...finding.problems].slice(0, maxProblems).map((problem) => `json patch ${problem}`);
}
