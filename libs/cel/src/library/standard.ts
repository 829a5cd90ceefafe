import { celCompare, contains } from '../eval/equality.ts';
import { int, timestampOf, durationOf, uint } from '../eval/numbers.ts';
import { durationParts, timestampPart, timestampParts } from '../eval/time.ts';
import { search } from '../regex/index.ts';
import { type CelDuration, type CelList, type CelMap, type CelTimestamp, CelTypeValue, type CelValue, typeNameOf } from '../values.ts';
import { concatenate } from './list-values.ts';
import { conversions } from './conversions.ts';
import { type Definition, library } from './signature.ts';

const numbers = ['int', 'uint', 'double'];
const ordered = [...numbers, 'bool', 'string', 'bytes', 'timestamp', 'duration'];

/** Same types, and every two of the numbers. */
function relation(name: string, holds: (order: number) => boolean): Definition[] {
  const run = (a: CelValue, b: CelValue): boolean => holds(celCompare(a, b));
  const pairs = [...ordered.map((type) => [type, type]), ...numbers.flatMap((a) => numbers.filter((b) => b !== a).map((b) => [a, b]))];
  return pairs.map(([a, b]) => [`(${a}, ${b}) bool`, run, a === 'string' || a === 'bytes' ? `${name}_${a}` : name]);
}

const add: Definition[] = [
  ['(bytes, bytes) bytes', (a: Uint8Array, b: Uint8Array) => Uint8Array.from([...a, ...b]), 'add_bytes'],
  ['(double, double) double', (a: number, b: number) => a + b],
  ['(duration, duration) duration', (a: CelDuration, b: CelDuration) => durationOf(a.ns + b.ns)],
  ['(duration, timestamp) timestamp', (a: CelDuration, b: CelTimestamp) => timestampOf(a.ns + b.ns)],
  ['(timestamp, duration) timestamp', (a: CelTimestamp, b: CelDuration) => timestampOf(a.ns + b.ns)],
  ['(int, int) int', int.add],
  ['(list(A), list(A)) list(A)', (a: CelList, b: CelList) => concatenate(a, b), 'add_list'],
  ['(string, string) string', (a: string, b: string) => a + b, 'add_string'],
  ['(uint, uint) uint', uint.add],
];

const subtract: Definition[] = [
  ['(double, double) double', (a: number, b: number) => a - b],
  ['(duration, duration) duration', (a: CelDuration, b: CelDuration) => durationOf(a.ns - b.ns)],
  ['(int, int) int', int.subtract],
  ['(timestamp, duration) timestamp', (a: CelTimestamp, b: CelDuration) => timestampOf(a.ns - b.ns)],
  ['(timestamp, timestamp) duration', (a: CelTimestamp, b: CelTimestamp) => durationOf(a.ns - b.ns)],
  ['(uint, uint) uint', uint.subtract],
];

const operators: Readonly<Record<string, readonly Definition[]>> = {
  '_+_': add,
  '_-_': subtract,
  '_*_': [
    ['(double, double) double', (a: number, b: number) => a * b],
    ['(int, int) int', int.multiply],
    ['(uint, uint) uint', uint.multiply],
  ],
  '_/_': [
    ['(double, double) double', (a: number, b: number) => a / b],
    ['(int, int) int', int.divide],
    ['(uint, uint) uint', uint.divide],
  ],
  '_%_': [
    ['(int, int) int', int.modulo],
    ['(uint, uint) uint', uint.modulo],
  ],
  '-_': [
    ['(double) double', (a: number) => -a],
    ['(int) int', int.negate],
    ['(duration) duration', (a: CelDuration) => durationOf(-a.ns)],
  ],
  '!_': [['(bool) bool', (a: boolean) => !a]],
  '_<_': relation('less', (order) => order < 0),
  '_<=_': relation('less_equals', (order) => order <= 0),
  '_>_': relation('greater', (order) => order > 0),
  '_>=_': relation('greater_equals', (order) => order >= 0),
  '@in': [
    ['(A, list(A)) bool', (item: CelValue, list: CelList) => contains(list, item), 'in_list'],
    ['(A, map(A, B)) bool', (key: CelValue, map: CelMap) => contains(map, key), 'in_map'],
  ],
};

const size = {
  string: (text: string) => BigInt(codePoints(text)),
  bytes: (bytes: Uint8Array) => BigInt(bytes.length),
  other: (value: CelList | CelMap) => BigInt(value.size),
};

/** Code points of a text. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00 && text.charCodeAt(i + 1) >= 0xdc00 && text.charCodeAt(i + 1) < 0xe000) count -= 1;
  }
  return count;
}

const texts: Readonly<Record<string, readonly Definition[]>> = {
  size: [
    ['(bytes) int', size.bytes],
    ['bytes.() int', size.bytes],
    ['(list(A)) int', size.other],
    ['list(A).() int', size.other],
    ['(map(A, B)) int', size.other],
    ['map(A, B).() int', size.other],
    ['(string) int', size.string],
    ['string.() int', size.string],
  ],
  contains: [['string.(string) bool', (text: string, part: string) => text.includes(part), 'contains_string']],
  startsWith: [['string.(string) bool', (text: string, start: string) => text.startsWith(start), 'starts_with_string']],
  endsWith: [['string.(string) bool', (text: string, end: string) => text.endsWith(end), 'ends_with_string']],
  matches: [
    ['(string, string) bool', (text: string, pattern: string) => search(pattern, text), 'matches'],
    ['string.(string) bool', (text: string, pattern: string) => search(pattern, text), 'matches'],
  ],
};

/** Parts of timestamps, in UTC or a zone, and of durations. */
function timeParts(): Record<string, readonly Definition[]> {
  return Object.fromEntries(
    timestampParts.map((name) => {
      const part = timestampPart(name);
      const ofDuration = durationParts[name];
      const all: Definition[] = [
        ['timestamp.() int', (time: CelTimestamp) => part(time)],
        ['timestamp.(string) int', (time: CelTimestamp, zone: string) => part(time, zone)],
        ...(ofDuration ? [['duration.() int', (duration: CelDuration) => ofDuration(duration)] as const] : []),
      ];
      return [name, all];
    }),
  );
}

/** The standard library of CEL without &&, ||, ?:, ==, != and indexing, which the evaluator does itself. */
export const standardLibrary = library({
  ...operators,
  ...texts,
  ...timeParts(),
  ...conversions,
  type: [['(A) type(A)', (value: CelValue) => new CelTypeValue(typeNameOf(value))]],
  dyn: [['(A) dyn', (value: CelValue) => value]],
});

