import { dns1123Label, dns1123Subdomain } from '../validation/names.ts';

const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})$/;
const durationPart = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z\u00b5\u03bc]+)/;
const durationUnits = new Set(['ns', 'nano', 'us', 'µs', 'μs', 'micro', 'ms', 'milli', 's', 'sec', 'm', 'min', 'h', 'hr', 'hour', 'd', 'day', 'w', 'wk', 'week', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'secs', 'second', 'minutes', 'mins', 'minute', 'hours', 'hrs', 'days', 'weeks', 'wks']);

function isIpv6(text: string): boolean {
  if (!text.includes(':') || !/^[0-9a-fA-F:.]+$/.test(text) || text.includes(':::')) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const tail = groups.at(-1) ?? '';
  const hex = tail.includes('.') ? groups.slice(0, -1) : groups;
  const size = hex.length + (tail.includes('.') ? 2 : 0);
  if (tail.includes('.') && !ipv4.test(tail)) return false;
  return hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) && (halves.length === 2 ? size < 8 : size === 8);
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (rest.length || !/^\d{1,3}$/.test(bits)) return false;
  return ipv4.test(address) ? Number(bits) <= 32 : isIpv6(address) && Number(bits) <= 128;
}

function isDate(text: string): boolean {
  const [, year = '', month = '', day = ''] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return year !== '' && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function isUri(text: string): boolean {
  return URL.canParse(text) || (text.startsWith('/') && URL.canParse(text, 'http://host'));
}

function isDuration(text: string): boolean {
  let rest = text.trim();
  if (/^[+-]?0$/.test(rest)) return true;
  rest = rest.replace(/^[+-]/, '');
  if (rest === '') return false;
  while (rest.trim() !== '') {
    const [part = '', , unit = ''] = durationPart.exec(rest) ?? [];
    if (part === '' || !durationUnits.has(unit)) return false;
    rest = rest.slice(part.length);
  }
  return true;
}

const matches = (pattern: RegExp) => (text: string) => pattern.test(text);
const hex = '[0-9a-fA-F]';
const uuid = (third: string, fourth: string): RegExp => new RegExp(`^${hex}{8}-?${hex}{4}-?${third}-?${fourth}-?${hex}{12}$`);

export const stringFormats: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: matches(/^[0-9a-fA-F]{24}$/),
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  cidr: isCidr,
  creditcard: matches(/^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12})$/),
  date: isDate,
  datetime: (text) => rfc3339.test(text) && isDate(text.slice(0, 10)),
  duration: isDuration,
  email: matches(/^[^\s@<>"]+@[^\s@<>"]+$/),
  hexcolor: matches(/^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  hostname: (text) => text.length <= 255 && /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/.test(text),
  ipv4: matches(ipv4),
  ipv6: isIpv6,
  mac: matches(/^(?:[0-9a-fA-F]{2}([:-]))(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}$/),
  rgbcolor: matches(/^rgb\(\s*(?:\d{1,3}\s*,\s*){2}\d{1,3}\s*\)$/),
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  uri: isUri,
  uuid: matches(uuid(`${hex}{4}`, `${hex}{4}`)),
  uuid3: matches(uuid(`3${hex}{3}`, `${hex}{4}`)),
  uuid4: matches(uuid(`4${hex}{3}`, `[89abAB]${hex}{3}`)),
  uuid5: matches(uuid(`5${hex}{3}`, `[89abAB]${hex}{3}`)),
};

/** The digit that ends an ISBN makes the weighted sum a multiple. */
function isIsbn(text: string, length: 10 | 13): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (!(length === 10 ? /^\d{9}[\dX]$/ : /^\d{13}$/).test(digits)) return false;
  const sum = [...digits].reduce((total, c, i) => total + (c === 'X' ? 10 : Number(c)) * (length === 10 ? 10 - i : i % 2 ? 3 : 1), 0);
  return sum % (length === 10 ? 11 : 10) === 0;
}

const isbns: Readonly<Record<string, (text: string) => boolean>> = {
  isbn: (text) => isIsbn(text, 10) || isIsbn(text, 13),
  isbn10: (text) => isIsbn(text, 10),
  isbn13: (text) => isIsbn(text, 13),
};

const kubernetesFormats: Readonly<Record<string, (text: string) => boolean>> = {
  k8sshortname: (text) => dns1123Label(text).length === 0,
  k8slongname: (text) => dns1123Subdomain(text).length === 0,
};

const known: ReadonlyMap<string, (text: string) => boolean> = new Map(Object.entries({ ...stringFormats, ...isbns, ...kubernetesFormats, password: () => true }));

/**
 * How to check a format; undefined for one that is not checked, which includes all formats of numbers. Dashes make no
 * difference.
 */
export function knownFormat(format: string | undefined): ((text: string) => boolean) | undefined {
  return format ? known.get(format.replaceAll('-', '')) : undefined;
}
