/** How many indexes a list such as `1,3-5` names, or what is wrong with it, in upstream's words. */
export type Indexes = { readonly total: number; readonly problem?: undefined } | { readonly problem: string };

type Interval = readonly [number, number] | string;

const integer = /^[+-]?[0-9]+$/;

function parse(text: string, completions: number): Interval {
  const limits = text.split('-');
  if (limits.length > 2) return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  for (const limit of limits) {
    if (!integer.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
    if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`;
  }
  const [first = 0, last = first] = limits.map(Number);
  return limits.length === 2 && first >= last ? `non-increasing order, previous: ${first}, current: ${last}` : [first, last];
}

export function readIndexes(text: string, completions: number): Indexes {
  let total = 0;
  let previous: number | undefined;
  for (const part of text === '' ? [] : text.split(',')) {
    const interval = parse(part, completions);
    if (typeof interval === 'string') return { problem: interval };
    const [first, last] = interval;
    if (previous !== undefined && previous >= first) return { problem: `non-increasing order, previous: ${previous}, current: ${first}` };
    total += last - first + 1;
    previous = last;
  }
  return { total };
}

/** The first index that both lists name; parts that cannot be read are left to `readIndexes`. */
export function firstCommonIndex(a: string, b: string, completions: number): number | undefined {
  const intervals = (text: string): (readonly [number, number])[] =>
    (text === '' ? [] : text.split(',')).map((part) => parse(part, completions)).filter((one) => typeof one !== 'string');
  const [left, right] = [intervals(a), intervals(b)];
  let l = 0;
  let r = 0;
  while (l < left.length && r < right.length) {
    const [x, y] = left[l] ?? [0, 0];
    const [u, v] = right[r] ?? [0, 0];
    if (x <= v && u <= y) return Math.max(x, u);
    if (x <= u) l++;
    else r++;
  }
  return undefined;
}
