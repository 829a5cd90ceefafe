/** Checks of strings. Each answers with what is wrong in upstream's words; no entries means valid. */
export type StringRule = (value: string) => string[];

const bytes = (value: string): number => Buffer.byteLength(value);

export const maxLengthMessage = (max: number): string => `must be no more than ${max} bytes`;
export const rangeMessage = (min: number, max: number): string => `must be between ${min} and ${max}, inclusive`;

/** Upstream's wording around a regular expression, its odd double spaces included. */
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
const wildcardPattern = new RegExp(`^\\*\\.${subdomainFormat}$`);

const alphanumericEnds = 'and must start and end with an alphanumeric character';

export const dns1123Label: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 63) errors.push(maxLengthMessage(63));
  if (labelPattern.test(value)) return errors;
  if (subdomainPattern.test(value)) errors.push('must not contain dots');
  else {
    const text = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${alphanumericEnds}`;
    errors.push(regexMessage(text, labelFormat, 'my-name', '123-abc'));
  }
  return errors;
};

export const dns1123Subdomain: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 253) errors.push(maxLengthMessage(253));
  if (!subdomainPattern.test(value)) {
    const text = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${alphanumericEnds}`;
    errors.push(regexMessage(text, subdomainFormat, 'example.com'));
  }
  return errors;
};

export const wildcardSubdomain: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 253) errors.push(maxLengthMessage(253));
  if (!wildcardPattern.test(value)) {
    const text = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    errors.push(regexMessage(text, `\\*\\.${subdomainFormat}`, '*.example.com'));
  }
  return errors;
};

export const dns1035Label: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 63) errors.push(maxLengthMessage(63));
  if (!dns1035Pattern.test(value)) {
    const text = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    errors.push(regexMessage(text, dns1035Format, 'my-name', 'abc-123'));
  }
  return errors;
};

/** A name with an optional DNS prefix: label keys, resource names, condition types. */
export const qualifiedName: StringRule = (value) => {
  const text = `must consist of alphanumeric characters, '-', '_' or '.', ${alphanumericEnds}`;
  const explained = regexMessage(text, qualifiedFormat, 'MyName', 'my.name', '123-abc');
  const parts = value.split('/');
  const errors: string[] = [];
  if (parts.length > 2) {
    return [`a qualified name ${explained} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') errors.push('prefix part must be non-empty');
    else errors.push(...dns1123Subdomain(prefix).map((message) => `prefix part ${message}`));
  }
  const name = parts.at(-1) ?? '';
  if (name === '') errors.push('name part must be non-empty');
  else if (bytes(name) > 63) errors.push(`name part ${maxLengthMessage(63)}`);
  if (!qualifiedPattern.test(name)) errors.push(`name part ${explained}`);
  return errors;
};

export const labelValue: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 63) errors.push(maxLengthMessage(63));
  if (value !== '' && !qualifiedPattern.test(value)) {
    const text = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', ${alphanumericEnds}`;
    errors.push(regexMessage(text, `(${qualifiedFormat})?`, 'MyValue', 'my_value', '12345'));
  }
  return errors;
};

export const configMapKey: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 253) errors.push(maxLengthMessage(253));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    const text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    errors.push(regexMessage(text, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'));
  }
  return [...errors, ...directoryPrefix(value)];
};

function directoryPrefix(value: string): string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}

/** Environment variables may be named by any printable ASCII but `=`. */
export const envVarName: StringRule = (value) => {
  if (value === '') return ['environment variable name must be non-empty'];
  const text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
  return /^[\x20-\x3c\x3e-\x7e]*$/.test(value) ? [] : [text];
};

export const cIdentifier: StringRule = (value) => {
  const text = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(value) ? [] : [regexMessage(text, '[A-Za-z_][A-Za-z0-9_]*', 'my_name', 'MY_NAME', 'MyName')];
};

/** An IANA service name: lower case, at most 15 characters, at least one letter. */
export const portName: StringRule = (value) => {
  const errors: string[] = [];
  if (value.length > 15) errors.push(maxLengthMessage(15));
  if (!/^[-a-z0-9]+$/.test(value)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
};

export const percent: StringRule = (value) => {
  const text = "a valid percent string must be a numeric string followed by an ending '%'";
  return /^[0-9]+%$/.test(value) ? [] : [regexMessage(text, '[0-9]+%', '1%', '93%')];
};

export const httpHeaderName: StringRule = (value) => {
  const text = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return /^[-A-Za-z0-9]+$/.test(value) ? [] : [regexMessage(text, '[-A-Za-z0-9]+', 'X-Header-Name')];
};

/** A name that is one segment of a URL path: RBAC names and the like. */
export const pathSegment: StringRule = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((illegal) => value.includes(illegal)).map((illegal) => `may not contain '${illegal}'`);
};

export const sysctlName: StringRule = (value) => {
  const segment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
  const format = `(${segment}[\\./])*${segment}`;
  if (value.length <= 253 && new RegExp(`^(${segment}[./])*${segment}$`).test(value)) return [];
  return value.length > 253 ? [`must have at most 253 characters`] : [`must have at most 253 characters and match regex ^${format}$`];
};
