import { type NameRule, checkName, labelValue, qualifiedName } from '@orrery/apimachinery';
import { CelList, CelOpaque, CelOptional } from '../values.ts';
import { type Definition, library } from './signature.ts';
import { urlProblem } from './urls.ts';

const typeName = 'kubernetes.NamedFormat';

/** `regexSize`: what upstream takes its pattern to measure, for cost. */
export interface NamedFormat {
  readonly check: (text: string) => readonly string[];
  readonly regexSize: number;
}

const matching = (pattern: RegExp, message: string) => (text: string): readonly string[] => (pattern.test(text) ? [] : [message]);
const named = (rule: NameRule, isPrefix = false) => (text: string): readonly string[] => checkName(rule, text, { isPrefix });

function isDay(text: string): boolean {
  const time = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
}

const day = /^\d{4}-\d{2}-\d{2}$/;
const moment = /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})$/;

const formats: Readonly<Record<string, NamedFormat>> = {
  dns1123Label: { check: named('dns1123Label'), regexSize: 30 },
  dns1123Subdomain: { check: named('dns1123Subdomain'), regexSize: 60 },
  dns1035Label: { check: named('dns1035Label'), regexSize: 30 },
  qualifiedName: { check: qualifiedName, regexSize: 60 },
  dns1123LabelPrefix: { check: named('dns1123Label', true), regexSize: 30 },
  dns1123SubdomainPrefix: { check: named('dns1123Subdomain', true), regexSize: 60 },
  dns1035LabelPrefix: { check: named('dns1035Label', true), regexSize: 30 },
  labelValue: { check: labelValue, regexSize: 40 },
  uri: { check: (text) => [urlProblem(text) ?? []].flat(), regexSize: 1000 },
  uuid: { check: matching(/^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/, 'does not match the UUID format'), regexSize: 87 },
  byte: { check: matching(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'invalid base64'), regexSize: 86 },
  date: { check: (text) => (day.test(text) && isDay(text) ? [] : ['invalid date']), regexSize: 114 },
  datetime: { check: (text) => (isDay(moment.exec(text)?.[1] ?? '-') ? [] : ['invalid datetime']), regexSize: 114 },
};

const wrapped = new Map(Object.entries(formats).map(([name, value]) => [name, new CelOpaque({ typeName, value })]));

function validate({ value }: CelOpaque, text: string): CelOptional {
  const problems = (value as NamedFormat).check(text);
  return new CelOptional(problems.length ? new CelList(problems) : undefined);
}

export const formatsLibrary = library({
  ...Object.fromEntries([...wrapped].map(([name, value]): [string, Definition[]] => [`format.${name}`, [[`() ${typeName}`, () => value]]])),
  'format.named': [[`(string) optional(${typeName})`, (name: string) => new CelOptional(wrapped.get(name))]],
  validate: [[`${typeName}.(string) optional(list(string))`, validate]],
});
