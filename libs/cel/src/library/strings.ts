import { CelError, CelList } from '../values.ts';
import { formatString, quote } from './format-string.ts';
import { library } from './signature.ts';
import { codePoints } from './standard.ts';

const plain = /^[\u0000-\ud7ff]*$/;
const letters = (text: string): string[] => (plain.test(text) ? text.split('') : [...text]);

const outOfRange = (index: bigint): CelError => new CelError(`index out of range: ${index}`);

function charAt(text: string, index: bigint): string {
  const all = letters(text);
  if (index < 0n || index > BigInt(all.length)) throw outOfRange(index);
  return all[Number(index)] ?? '';
}

/** Code points before an index of code units. */
const pointsBefore = (text: string, units: number): bigint => (units < 0 ? -1n : BigInt(codePoints(text.slice(0, units))));

/** The index in code units of the code point at an index. */
function unitsBefore(text: string, points: number): number {
  if (plain.test(text)) return points;
  let units = 0;
  for (let i = 0; i < points; i += 1) units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  return units;
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const size = BigInt(codePoints(text));
  if (from < 0n || from > size) throw outOfRange(from);
  return part === '' ? from : pointsBefore(text, text.indexOf(part, unitsBefore(text, Number(from))));
}

const reversed = (text: string): string => text.split('').reverse().join('');

/** Searched from the end: the engine's own lastIndexOf may take the product of both sizes. */
function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const size = BigInt(codePoints(text));
  if (from !== undefined && (from < 0n || from > size)) throw outOfRange(from);
  if (part === '') return from ?? size;
  const end = from === undefined ? text.length : Math.min(text.length, unitsBefore(text, Number(from)) + part.length);
  const found = reversed(text.slice(0, end)).indexOf(reversed(part));
  return found < 0 ? -1n : pointsBefore(text, end - found - part.length);
}

function substring(text: string, from: bigint, to?: bigint): string {
  const all = letters(text);
  const end = to ?? BigInt(all.length);
  if (to !== undefined && from > end) throw new CelError(`invalid substring range. start: ${from}, end: ${end}`);
  if (from < 0n || from > BigInt(all.length)) throw outOfRange(from);
  if (end < 0n || end > BigInt(all.length)) throw outOfRange(end);
  return all.slice(Number(from), Number(end)).join('');
}

const pieces = (text: string, by: string): string[] => (by === '' ? letters(text) : text.split(by));

/** Go's SplitN: the last piece is all that is left. */
function splitAtMost(text: string, by: string, limit: bigint): string[] {
  if (limit === 0n) return [];
  const all = pieces(text, by);
  if (limit < 0n || BigInt(all.length) <= limit) return all;
  const most = Number(limit);
  return [...all.slice(0, most - 1), all.slice(most - 1).join(by)];
}

const split = (text: string, by: string, limit = -1n): CelList => new CelList(splitAtMost(text, by, limit));

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit === 0n) return text;
  if (from === '') return interleaved(text, to, limit);
  return splitAtMost(text, from, limit < 0n ? -1n : limit + 1n).join(to);
}

/** An empty text is found before, between and after all letters. */
function interleaved(text: string, to: string, limit: bigint): string {
  const all = letters(text);
  const most = limit < 0n ? all.length + 1 : Math.min(Number(limit), all.length + 1);
  return all.map((letter, i) => (i < most ? to + letter : letter)).join('') + (most > all.length ? to : '');
}

function join(list: CelList, by = ''): string {
  return list.values().map((item) => {
    if (typeof item !== 'string') throw new CelError('no such overload');
    return item;
  }).join(by);
}

/** Unicode's white space as Go has it. */
const trim = (text: string): string => text.replace(/^[\s\u0085]+|[\s\u0085]+$/g, '');

/** The strings extension, version 2. */
export const stringsLibrary = library({
  charAt: [['string.(int) string', charAt]],
  indexOf: [
    ['string.(string) int', (text: string, part: string) => indexOf(text, part)],
    ['string.(string, int) int', indexOf],
  ],
  lastIndexOf: [
    ['string.(string) int', (text: string, part: string) => lastIndexOf(text, part)],
    ['string.(string, int) int', lastIndexOf],
  ],
  lowerAscii: [['string.() string', (text: string) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())]],
  upperAscii: [['string.() string', (text: string) => text.replace(/[a-z]+/g, (part) => part.toUpperCase())]],
  replace: [
    ['string.(string, string) string', (text: string, from: string, to: string) => replace(text, from, to)],
    ['string.(string, string, int) string', replace],
  ],
  split: [
    ['string.(string) list(string)', (text: string, by: string) => split(text, by)],
    ['string.(string, int) list(string)', split],
  ],
  substring: [
    ['string.(int) string', (text: string, from: bigint) => substring(text, from)],
    ['string.(int, int) string', substring],
  ],
  trim: [['string.() string', trim]],
  join: [
    ['list(string).() string', (list: CelList) => join(list)],
    ['list(string).(string) string', join],
  ],
  format: [['string.(list(dyn)) string', formatString, 'string_format']],
  'strings.quote': [['(string) string', quote, 'strings_quote']],
});
