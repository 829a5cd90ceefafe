import { durationText, timestampText } from './eval/time.ts';
import { CelDuration, CelError, CelList, CelOptional, CelTimestamp, CelUint, type CelValue, Steps, isCelMap, mapKey, typeNameOf } from './values.ts';

/** The JSON of a value, as upstream converts results: bytes in base64, timestamps in RFC 3339, an optional without value is null. Throws CelError for what has no JSON. */
export function toJson(value: CelValue, steps = new Steps()): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof CelUint) return Number(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  steps.take(value instanceof CelList ? value.size : 1);
  if (value instanceof CelList) return value.values().map((item) => toJson(item, steps));
  if (value instanceof CelOptional) return value.value === undefined ? null : toJson(value.value, steps);
  if (isCelMap(value)) return Object.fromEntries(value.keys().map((key) => [jsonKey(key), toJson(value.find(key) ?? null, steps)]));
  if (value instanceof CelTimestamp) return timestampText(value);
  if (value instanceof CelDuration) return durationText(value);
  throw new CelError(`unsupported conversion from '${typeNameOf(value)}' to JSON`);
}

function jsonKey(key: CelValue): string {
  const plain = mapKey(key);
  if (plain === undefined) throw new CelError('unsupported map key in JSON');
  return String(plain);
}
