/** Checks of a string. Each answers with what is wrong, in upstream's words; nothing means valid. */
export type StringRule = (value: string) => readonly string[];

export const maxLengthMessage = (max: number): string => `must be no more than ${max} bytes`;

/** Upstream's wording around a regular expression. */
export function regexMessage(message: string, format: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${format}')`;
  const shown = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${shown}regex used for validation is '${format}')`;
}

const labelFormat = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainFormat = `${labelFormat}(\\.${labelFormat})*`;
const dns1035Format = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualifiedFormat = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

const labelPattern = new RegExp(`^${labelFormat}$`);
const subdomainPattern = new RegExp(`^${subdomainFormat}$`);
const dns1035Pattern = new RegExp(`^${dns1035Format}$`);
const qualifiedPattern = new RegExp(`^${qualifiedFormat}$`);

const ends = 'and must start and end with an alphanumeric character';
const labelMessage = regexMessage(`a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${ends}`, labelFormat, 'my-name', '123-abc');
const subdomainMessage = regexMessage(`a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${ends}`, subdomainFormat, 'example.com');
const dns1035Message = regexMessage("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character", dns1035Format, 'my-name', 'abc-123');
const qualifiedMessage = regexMessage(`must consist of alphanumeric characters, '-', '_' or '.', ${ends}`, qualifiedFormat, 'MyName', 'my.name', '123-abc');
const valueMessage = regexMessage(`a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', ${ends}`, `(${qualifiedFormat})?`, 'MyValue', 'my_value', '12345');

/** Of what is right, as nearly everything is: nothing has to be made for it. */
const noProblems: readonly string[] = Object.freeze([]);

/** A pattern (which lets only ASCII through) within so many bytes. Length first: patterns run on short strings only. */
function bounded(pattern: RegExp, max: number, problemOf: (value: string) => string): StringRule {
  return (value) => {
    if (value.length <= max && pattern.test(value)) return noProblems;
    const tooLong = Buffer.byteLength(value) > max ? [maxLengthMessage(max)] : [];
    return value.length > 8 * max || pattern.test(value) ? tooLong : [...tooLong, problemOf(value)];
  };
}

export const dns1123Label: StringRule = bounded(labelPattern, 63, (value) => (subdomainPattern.test(value) ? 'must not contain dots' : labelMessage));

export const dns1123Subdomain: StringRule = bounded(subdomainPattern, 253, () => subdomainMessage);

export const dns1035Label: StringRule = bounded(dns1035Pattern, 63, () => dns1035Message);

/** A name with an optional DNS prefix: keys of labels, finalizers, resource names. */
export const qualifiedName: StringRule = (value) => {
  const slash = value.indexOf('/');
  if (slash < 0 && value.length <= 63 && qualifiedPattern.test(value)) return noProblems;
  if (slash !== value.lastIndexOf('/')) {
    return [`a qualified name ${qualifiedMessage} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const errors: string[] = [];
  if (slash === 0) errors.push('prefix part must be non-empty');
  else if (slash > 0) errors.push(...dns1123Subdomain(value.slice(0, slash)).map((message) => `prefix part ${message}`));
  const name = value.slice(slash + 1);
  if (name === '') errors.push('name part must be non-empty');
  else if (Buffer.byteLength(name) > 63) errors.push(`name part ${maxLengthMessage(63)}`);
  if (!qualifiedPattern.test(name)) errors.push(`name part ${qualifiedMessage}`);
  return errors;
};

const shortValue = bounded(qualifiedPattern, 63, () => valueMessage);

export const labelValue: StringRule = (value) => (value === '' ? noProblems : shortValue(value));

/** Annotation keys are qualified names without regard to case. */
export const annotationKey: StringRule = (value) => qualifiedName(value.toLowerCase());

/** One segment of a URL path: names of RBAC objects and the like. */
export const pathSegment: StringRule = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  if (!value.includes('/') && !value.includes('%')) return noProblems;
  return ['/', '%'].filter((illegal) => value.includes(illegal)).map((illegal) => `may not contain '${illegal}'`);
};

export type NameRule = 'dns1123Subdomain' | 'dns1123Label' | 'dns1035Label' | 'pathSegment';

const nameRules: Readonly<Record<NameRule, StringRule>> = { dns1123Subdomain, dns1123Label, dns1035Label, pathSegment };

/** Checks `metadata.name`, or a `generateName`, whose trailing dash counts as the characters that will follow. */
export function checkName(rule: NameRule, value: string, options: { isPrefix?: boolean } = {}): readonly string[] {
  const masked = options.isPrefix && rule !== 'pathSegment' && value.length > 1 && value.endsWith('-') ? `${value.slice(0, -1)}a` : value;
  return nameRules[rule](masked);
}
