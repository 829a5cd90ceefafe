import { compareOpaqueBy } from '../eval/equality.ts';
import { CelError, CelOpaque } from '../values.ts';
import { library } from './signature.ts';

const typeName = 'kubernetes.Semver';

interface Version {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];
}

const strict = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const isNumber = (text: string): boolean => /^\d+$/.test(text);
const maxPart = 2n ** 64n - 1n;

function parse(text: string): Version | undefined {
  const [, major, minor, patch, pre] = strict.exec(text) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return undefined;
  const parts = pre?.split('.') ?? [];
  const numbers = [BigInt(major), BigInt(minor), BigInt(patch)] as const;
  if (parts.some((part) => isNumber(part) && part.length > 1 && part.startsWith('0')) || numbers.some((part) => part > maxPart)) return undefined;
  return { numbers, pre: parts };
}

/** `v1.2` as `1.2.0`: no prefix, no leading zeros, three numbers. */
function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([0-9.]*)(.*)$/s.exec(text) ?? [];
  const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  if (numbers.length < 3 && rest !== '') return text;
  while (numbers.length < 3) numbers.push('0');
  return numbers.join('.') + rest;
}

function parsed(text: string, isLoose = false): CelOpaque {
  const version = parse(isLoose ? normalized(text) : text);
  if (!version) throw new CelError(parseProblem(text));
  return new CelOpaque({ typeName, value: version });
}

function parseProblem(text: string): string {
  if (text === '') return 'Version string empty';
  if (text.split(/[-+]/)[0]?.split('.').length !== 3) return 'No Major.Minor.Patch elements found';
  return `Invalid character(s) found in version ${JSON.stringify(text)}`;
}

function comparePre(a: string, b: string): number {
  if (isNumber(a) && isNumber(b)) return Number(BigInt(a) > BigInt(b)) - Number(BigInt(a) < BigInt(b));
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function compare(a: Version, b: Version): number {
  for (const [i, part] of a.numbers.entries()) {
    const other = b.numbers[i] ?? 0n;
    if (part !== other) return part < other ? -1 : 1;
  }
  if (!a.pre.length || !b.pre.length) return Number(b.pre.length > 0) - Number(a.pre.length > 0);
  for (const [i, part] of a.pre.entries()) {
    const other = b.pre[i];
    const order = other === undefined ? 1 : comparePre(part, other);
    if (order) return order;
  }
  return a.pre.length - b.pre.length;
}

const of = ({ value }: CelOpaque): Version => value as Version;
const order = (a: CelOpaque, b: CelOpaque): number => compare(of(a), of(b));

compareOpaqueBy(typeName, (a, b) => compare(a as Version, b as Version) === 0);

export const semverLibrary = library({
  semver: [
    [`(string) ${typeName}`, (text: string) => parsed(text)],
    [`(string, bool) ${typeName}`, parsed],
  ],
  isSemver: [
    ['(string) bool', (text: string) => parse(text) !== undefined],
    ['(string, bool) bool', (text: string, isLoose: boolean) => parse(isLoose ? normalized(text) : text) !== undefined],
  ],
  major: [[`${typeName}.() int`, (version: CelOpaque) => of(version).numbers[0]]],
  minor: [[`${typeName}.() int`, (version: CelOpaque) => of(version).numbers[1]]],
  patch: [[`${typeName}.() int`, (version: CelOpaque) => of(version).numbers[2]]],
  isGreaterThan: [[`${typeName}.(${typeName}) bool`, (a: CelOpaque, b: CelOpaque) => order(a, b) > 0]],
  isLessThan: [[`${typeName}.(${typeName}) bool`, (a: CelOpaque, b: CelOpaque) => order(a, b) < 0]],
  compareTo: [[`${typeName}.(${typeName}) int`, (a: CelOpaque, b: CelOpaque) => BigInt(Math.sign(order(a, b)))]],
});
