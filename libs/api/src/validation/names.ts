import { maxLengthMessage, regexMessage, type StringRule } from '@orrery/apimachinery';

export { annotationKey, dns1035Label, dns1123Label, dns1123Subdomain, labelValue, maxLengthMessage, pathSegment, qualifiedName, regexMessage, type StringRule } from '@orrery/apimachinery';

const bytes = (value: string): number => Buffer.byteLength(value);

export const rangeMessage = (min: number, max: number): string => `must be between ${min} and ${max}, inclusive`;

const labelFormat = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainFormat = `${labelFormat}(\\.${labelFormat})*`;
const wildcardPattern = new RegExp(`^\\*\\.${subdomainFormat}$`);

export const wildcardSubdomain: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 253) errors.push(maxLengthMessage(253));
  if (!wildcardPattern.test(value)) {
    const text = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    errors.push(regexMessage(text, `\\*\\.${subdomainFormat}`, '*.example.com'));
  }
  return errors;
};

const underscoredLabel = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const underscoredFormat = `${underscoredLabel}(\\.${underscoredLabel})*`;
const underscoredPattern = new RegExp(`^${underscoredFormat}$`);

/** A search domain of the resolver. */
export const dns1123SubdomainWithUnderscore: StringRule = (value) => {
  const errors: string[] = [];
  if (bytes(value) > 253) errors.push(maxLengthMessage(253));
  if (!underscoredPattern.test(value)) {
    const text = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    errors.push(regexMessage(text, underscoredFormat, 'example.com'));
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

const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export const sysctlName: StringRule = (value) => {
  const segment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
  const format = `(${segment}[\\./])*${segment}`;
  const fits = value.length <= 253 && sysctlPattern.test(value);
  return fits ? [] : [`must have at most 253 characters and match regex ^${format}$`];
};
