import { doubleText } from '../eval/numbers.ts';
import { durationText, timestampText } from '../eval/time.ts';
import { CelDuration, CelError, CelList, CelTimestamp, CelTypeValue, CelUint, type CelValue, Steps, isCelMap, typeNameOf } from '../values.ts';

const escapes: Readonly<Record<string, string>> = { '\u0007': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\', '"': '\\"' };

/** `strings.quote`: a text in quotes with its special characters escaped. */
export const quote = (text: string): string => `"${text.replace(/[\u0007\b\f\n\r\t\v\\"]/g, (letter) => escapes[letter] ?? letter)}"`;

const clause = /%(?:\.(\d+))?(.)?/gs;

const wrong = (what: string): CelError => new CelError(`error during formatting: ${what}`);

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? undefined : value > 0 ? 'Infinity' : '-Infinity';
}

function asText(value: CelValue, steps = new Steps()): string {
  steps.take();
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return special(value) ?? (Math.abs(value) >= 1e21 ? doubleText(value) : plainDouble(value));
  if (value instanceof CelUint) return String(value.value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof CelTimestamp) return timestampText(value);
  if (value instanceof CelDuration) return durationText(value);
  if (value instanceof CelTypeValue) return value.name;
  if (value instanceof CelList) return `[${value.values().map((item) => asText(item, steps)).join(', ')}]`;
  if (isCelMap(value)) return `{${value.keys().map((key) => `${asText(key, steps)}: ${asText(value.find(key) ?? null, steps)}`).sort().join(', ')}}`;
  throw wrong(`string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeNameOf(value)}`);
}

/** No exponent. */
const plainDouble = (value: number): string => (Math.abs(value) < 1e-6 && value !== 0 ? value.toFixed(20).replace(/0+$/, '') : String(value));

function whole(value: CelValue, what: string): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof CelUint) return value.value;
  throw wrong(`${what} clause can only be used on integers, was given ${typeNameOf(value)}`);
}

function decimal(value: CelValue): string {
  if (typeof value === 'number') return special(value) ?? String(value);
  return String(whole(value, 'decimal'));
}

function fixed(value: CelValue, precision: number): string {
  if (typeof value === 'string' && ['NaN', 'Infinity', '-Infinity'].includes(value)) return value;
  const number = amount(value, 'fixed-point');
  return special(number) ?? number.toFixed(precision);
}

function amount(value: CelValue, what: string): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof CelUint) return Number(value.value);
  throw wrong(`${what} clause can only be used on doubles, was given ${typeNameOf(value)}`);
}

function scientific(value: CelValue, precision: number): string {
  const number = amount(value, 'scientific');
  const [digits = '', power = '0'] = number.toExponential(precision).split('e');
  return special(number) ?? `${digits}e${power.startsWith('-') ? '-' : '+'}${power.replace(/^[+-]/, '').padStart(2, '0')}`;
}

function hexadecimal(value: CelValue): string {
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'bigint' || value instanceof CelUint) return whole(value, 'hex').toString(16);
  throw wrong(`only integers, byte buffers, and strings can be formatted as hex, was given ${typeNameOf(value)}`);
}

function binary(value: CelValue): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return whole(value, 'binary').toString(2);
}

const defaultPrecision = 6;
const maxPrecision = 100;

function formatted(verb: string, value: CelValue, precision: number): string {
  switch (verb) {
    case 's':
      return asText(value);
    case 'd':
      return decimal(value);
    case 'f':
      return fixed(value, precision);
    case 'e':
      return scientific(value, precision);
    case 'b':
      return binary(value);
    case 'x':
      return hexadecimal(value);
    case 'X':
      return hexadecimal(value).toUpperCase();
    case 'o':
      return whole(value, 'octal').toString(8);
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

/** `'%s is %d'.format([…])`. */
export function formatString(text: string, values: CelList): string {
  let index = 0;
  const made = text.replace(clause, (_whole, digits: string | undefined, verb: string | undefined) => {
    if (verb === undefined) throw new CelError('could not parse formatting clause: unexpected end of string');
    if (verb === '%' && digits === undefined) return '%';
    if (index >= values.size) throw new CelError(`index ${index} out of range`);
    const precision = digits === undefined ? defaultPrecision : Number(digits);
    if (precision > maxPrecision) throw new CelError(`precision ${precision} exceeds the limit of ${maxPrecision}`);
    return formatted(verb, values.at(index++), precision);
  });
  if (index < values.size) throw new CelError(`too many arguments supplied to string.format (expected ${index}, got ${values.size})`);
  return made;
}
