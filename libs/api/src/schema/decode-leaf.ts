import { canonicalQuantity, formatMicroTime, formatTime, type LeafType, parseTime, QuantityError, TimeError } from '@orrery/apimachinery';

/** A leaf that does not fit: either a type mismatch, or a text of its own. */
export type LeafProblem = { readonly mismatch: string; readonly value?: string } | { readonly text: string };

export type LeafResult = { readonly ok: unknown } | { readonly problem: LeafProblem };

const simpleTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const quantityText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const ok = (value: unknown): LeafResult => ({ ok: value });
const mismatch = (type: string, value?: string): LeafResult => ({ problem: value === undefined ? { mismatch: type } : { mismatch: type, value } });
const refuse = (text: string): LeafResult => ({ problem: { text } });

/** The doubles next to the ends of 64 bits. */
const most64 = 2 ** 63 - 1024;
const least64 = -(2 ** 63);

/** Go takes digits alone: neither `1.0` nor `1e2` is an integer. Of more than 53 bits the next double is kept. */
function integer(value: unknown, type: 'int32' | 'int64', literal: string | undefined): LeafResult {
  if (typeof value === 'bigint') return type === 'int32' ? mismatch(type, `number ${value}`) : ok(Math.min(Number(value), most64));
  if (typeof value !== 'number') return mismatch(type);
  const isWithin = type === 'int32' ? value >= -(2 ** 31) && value <= 2 ** 31 - 1 : value >= least64 && value <= most64;
  return literal === undefined && isWithin && Number.isInteger(value) ? ok(value) : mismatch(type, `number ${literal ?? value}`);
}

function time(value: unknown, type: 'time' | 'microTime'): LeafResult {
  if (typeof value !== 'string') return mismatch('string');
  if (type === 'time' && simpleTime.test(value)) return ok(value);
  try {
    const instant = parseTime(value, { micro: type === 'microTime' });
    return ok(type === 'time' ? formatTime(instant) : formatMicroTime(instant));
  } catch (error) {
    if (error instanceof TimeError) return refuse(error.message);
    throw error;
  }
}

function quantity(value: unknown, literal: string | undefined): LeafResult {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return refuse(quantityText);
  try {
    return ok(canonicalQuantity(literal ?? String(value).trim()));
  } catch (error) {
    if (error instanceof QuantityError) return refuse(error.message);
    throw error;
  }
}

function bytes(value: unknown): LeafResult {
  if (typeof value !== 'string') return mismatch('[]uint8');
  const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
  if (text.length % 4 === 0 && base64.test(text)) return ok(text);
  const bad = text.search(/[^A-Za-z0-9+/]/);
  return refuse(`illegal base64 data at input byte ${bad >= 0 ? bad : Math.floor(text.length / 4) * 4}`);
}

/**
 * Checks and canonicalizes one value that is neither null nor part of the unions with JSONSchemaProps. `literal` is how a number
 * was written that JavaScript writes otherwise.
 */
export function decodeLeaf(type: LeafType, value: unknown, literal?: string): LeafResult {
  switch (type) {
    case 'string':
    case 'duration':
      return typeof value === 'string' ? ok(value) : mismatch('string');
    case 'boolean':
      return typeof value === 'boolean' ? ok(value) : mismatch('bool');
    case 'int32':
    case 'int64':
      return integer(value, type, literal);
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint' ? ok(Number(value)) : mismatch('float64');
    case 'bytes':
      return bytes(value);
    case 'time':
    case 'microTime':
      return time(value, type);
    case 'quantity':
      return quantity(value, literal);
    case 'intOrString':
      return typeof value === 'string' ? ok(value) : integer(value, 'int32', literal);
    default:
      return ok(value);
  }
}

/** What Go's zero value of a leaf is in JSON: the meaning of null inside lists and maps. */
export function zeroLeaf(type: LeafType): unknown {
  switch (type) {
    case 'string':
    case 'bytes':
    case 'duration':
      return '';
    case 'boolean':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0;
    case 'quantity':
      return '0';
    default:
      return null;
  }
}
