import { doubleText, durationOf, intOfDouble, uintOfDouble, unsigned } from '../eval/numbers.ts';
import { durationText, parseDuration, parseTimestamp, timestampText } from '../eval/time.ts';
import { type CelDuration, CelError, type CelTimestamp, type CelUint, type CelValue, CelTimestamp as Timestamp } from '../values.ts';
import type { Definition } from './signature.ts';

const same = (value: CelValue): CelValue => value;

function failed(from: string, to: string): CelError {
  return new CelError(`type conversion error from '${from}' to '${to}'`);
}

function inSigned(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new CelError('integer overflow');
  return value;
}

function intOfText(text: string): bigint {
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
  if (value === undefined || BigInt.asIntN(64, value) !== value) throw failed('string', 'int');
  return value;
}

function uintOfText(text: string): CelUint {
  if (!/^\d+$/.test(text) || BigInt.asUintN(64, BigInt(text)) !== BigInt(text)) throw failed('string', 'uint');
  return unsigned(BigInt(text));
}

const specialDoubles: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, '+inf': Infinity, '-inf': -Infinity, infinity: Infinity, '+infinity': Infinity, '-infinity': -Infinity };

function doubleOfText(text: string): number {
  const special = specialDoubles[text.toLowerCase()];
  if (special !== undefined && Object.hasOwn(specialDoubles, text.toLowerCase())) return special;
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw failed('string', 'double');
  return value;
}

const truths: Readonly<Record<string, boolean>> = { 1: true, t: true, T: true, TRUE: true, true: true, True: true, 0: false, f: false, F: false, FALSE: false, false: false, False: false };

function boolOfText(text: string): boolean {
  if (!Object.hasOwn(truths, text)) throw failed('string', 'bool');
  return truths[text] as boolean;
}

function textOfBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
    throw error;
  }
}

function timestampOfText(text: string): CelTimestamp {
  const found = parseTimestamp(text);
  if (!found) throw failed('string', 'google.protobuf.Timestamp');
  return found;
}

function durationOfText(text: string): CelDuration {
  const found = parseDuration(text);
  if (!found) throw failed('string', 'google.protobuf.Duration');
  return found;
}

const second = 1_000_000_000n;
const secondsOf = ({ ns }: CelTimestamp): bigint => (ns >= 0n || ns % second === 0n ? ns / second : ns / second - 1n);

function timestampOfSeconds(seconds: bigint): CelTimestamp {
  if (seconds < -62_135_596_800n || seconds >= 253_402_300_800n) throw new CelError('timestamp overflow');
  return new Timestamp(seconds * second);
}

/** Functions named like the types they make. */
export const conversions: Readonly<Record<string, readonly Definition[]>> = {
  bool: [
    ['(bool) bool', same],
    ['(string) bool', boolOfText],
  ],
  int: [
    ['(int) int', same],
    ['(double) int', intOfDouble],
    ['(duration) int', ({ ns }: CelDuration) => ns],
    ['(string) int', intOfText],
    ['(timestamp) int', secondsOf],
    ['(uint) int', ({ value }: CelUint) => inSigned(value)],
  ],
  uint: [
    ['(uint) uint', same],
    ['(double) uint', uintOfDouble],
    ['(int) uint', (value: bigint) => unsigned(value)],
    ['(string) uint', uintOfText],
  ],
  double: [
    ['(double) double', same],
    ['(int) double', (value: bigint) => Number(value)],
    ['(string) double', doubleOfText],
    ['(uint) double', ({ value }: CelUint) => Number(value)],
  ],
  string: [
    ['(string) string', same],
    ['(bool) string', (value: boolean) => String(value)],
    ['(bytes) string', textOfBytes, 'bytes_to_string'],
    ['(double) string', doubleText],
    ['(duration) string', durationText],
    ['(int) string', (value: bigint) => String(value)],
    ['(timestamp) string', timestampText],
    ['(uint) string', ({ value }: CelUint) => String(value)],
  ],
  bytes: [
    ['(bytes) bytes', same],
    ['(string) bytes', (text: string) => new TextEncoder().encode(text), 'string_to_bytes'],
  ],
  timestamp: [
    ['(timestamp) timestamp', same],
    ['(int) timestamp', timestampOfSeconds],
    ['(string) timestamp', timestampOfText],
  ],
  duration: [
    ['(duration) duration', same],
    ['(int) duration', (ns: bigint) => durationOf(ns)],
    ['(string) duration', durationOfText],
  ],
};
