/** Checks of a string. Each answers with what is wrong, in upstream's words; nothing means valid. */
export type StringRule = (value: string) => string[];

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

/** Length first: patterns run on short strings only. */
function bounded(value: string, max: number, rest: () => string[]): string[] {
  const tooLong = Buffer.byteLength(value) > max ? [maxLengthMessage(max)] : [];
  return [...tooLong, ...(value.length > 8 * max ? [] : rest())];
}

export const dns1123Label: StringRule = (value) =>
  bounded(value, 63, () => {
    if (labelPattern.test(value)) return [];
    return [subdomainPattern.test(value) ? 'must not contain dots' : labelMessage];
  });

export const dns1123Subdomain: StringRule = (value) => bounded(value, 253, () => (subdomainPattern.test(value) ? [] : [subdomainMessage]));

export const dns1035Label: StringRule = (value) => bounded(value, 63, () => (dns1035Pattern.test(value) ? [] : [dns1035Message]));

/** A name with an optional DNS prefix: keys of labels, finalizers, resource names. */
export const qualifiedName: StringRule = (value) => {
  const slash = value.indexOf('/');
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

export const labelValue: StringRule = (value) => bounded(value, 63, () => (value === '' || qualifiedPattern.test(value) ? [] : [valueMessage]));

/** Annotation keys are qualified names without regard to case. */
export const annotationKey: StringRule = (value) => qualifiedName(value.toLowerCase());

/** One segment of a URL path: names of RBAC objects and the like. */
export const pathSegment: StringRule = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((illegal) => value.includes(illegal)).map((illegal) => `may not contain '${illegal}'`);
};

export type NameRule = 'dns1123Subdomain' | 'dns1123Label' | 'dns1035Label' | 'pathSegment';

const nameRules: Readonly<Record<NameRule, StringRule>> = { dns1123Subdomain, dns1123Label, dns1035Label, pathSegment };

/** Checks `metadata.name`, or a `generateName`, whose trailing dash counts as the characters that will follow. */
export function checkName(rule: NameRule, value: string, options: { isPrefix?: boolean } = {}): string[] {
  const masked = options.isPrefix && rule !== 'pathSegment' && value.length > 1 && value.endsWith('-') ? `${value.slice(0, -1)}a` : value;
  return nameRules[rule](masked);
}
