import { isRecord } from '../equality.ts';
import { goFormat } from '../patch/directives.ts';
import type { LeafType, ListSchema, ObjectSchema, Schema } from '../schema.ts';
import { itemElement } from './typed-values.ts';
import { formatPath } from './field-set.ts';

/** What a value should be, whether it is, and how upstream prints one that is not. */
interface Expectation {
  readonly word: string;
  readonly type: 'string' | 'boolean' | 'number';
  readonly print: (value: unknown) => string;
}

function goTypeName(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isRecord(value)) return 'map[string]interface {}';
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

const text: Expectation = { word: 'string', type: 'string', print: (value) => `&value.valueUnstructured{Value:${JSON.stringify(value)}}` };
const numeric: Expectation = { word: 'numeric (int or float)', type: 'number', print: goTypeName };
const expectations: Partial<Record<LeafType, Expectation>> = {
  string: text,
  bytes: text,
  time: text,
  microTime: text,
  boolean: { word: 'boolean', type: 'boolean', print: (value) => `&{${goFormat(value)}}` },
  int32: numeric,
  int64: numeric,
  double: numeric,
};

interface Check {
  readonly problems: string[];
  readonly path: string;
}

function add({ problems, path }: Check, message: string): void {
  problems.push(`${path}: ${message}`);
}

function checkStruct(check: Check, schema: ObjectSchema, value: Record<string, unknown>): void {
  for (const [name, member] of Object.entries(value)) {
    const field = schema.fields.get(name);
    const path = `${check.path}.${name}`;
    if (field) checkValue({ ...check, path }, field.schema, member);
    else if (!schema.preserveUnknown) check.problems.push(`${path}: field not declared in schema`);
  }
}

function checkList(check: Check, schema: ListSchema, value: readonly unknown[]): void {
  const seen = new Set<string>();
  value.forEach((item, i) => {
    if (schema.listType === 'atomic') {
      checkValue({ ...check, path: `${check.path}[${i}]` }, schema.items, item);
      return;
    }
    const result = itemElement(schema, item);
    if ('problem' in result) {
      add(check, `element ${i}: ${result.problem}`);
      return;
    }
    const { element } = result;
    if (seen.has(element)) add(check, `duplicate entries for key ${formatPath([element])}`);
    seen.add(element);
    checkValue({ ...check, path: `${check.path}${formatPath([element])}` }, schema.items, item);
  });
}

function checkValue(check: Check, schema: Schema, value: unknown): void {
  if (value === null || value === undefined) return;
  if (schema.type === 'object') {
    if (isRecord(value)) checkStruct(check, schema, value);
    else add(check, `expected map, got &{${goFormat(value)}}`);
  } else if (schema.type === 'map') {
    if (!isRecord(value)) add(check, `expected map, got &{${goFormat(value)}}`);
    else for (const [name, member] of Object.entries(value)) checkValue({ ...check, path: `${check.path}.${name}` }, schema.items, member);
  } else if (schema.type === 'list') {
    if (Array.isArray(value)) checkList(check, schema, value);
    else add(check, `expected list, got &{${goFormat(value)}}`);
  } else {
    const expectation = expectations[schema.type];
    const isFit = typeof value === expectation?.type || (typeof value === 'bigint' && expectation?.type === 'number');
    if (expectation && !isFit) add(check, `expected ${expectation.word}, got ${expectation.print(value)}`);
  }
}

/**
 * What is wrong with an applied object in upstream's words: fields that the schema lacks, values of a wrong type, items
 * without or with the same identity.
 */
export function checkApplied(value: unknown, schema: Schema): string[] {
  const problems: string[] = [];
  checkValue({ problems, path: '' }, schema, value);
  return problems;
}

/** One problem as it is, several as a list: the way upstream prints them. */
export function joinProblems(problems: readonly string[]): string {
  return problems.length === 1 ? (problems[0] ?? '') : `errors:\n${problems.map((problem) => `  ${problem}\n`).join('')}`;
}
