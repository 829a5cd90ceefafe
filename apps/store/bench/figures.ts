export interface Shape {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

/** One line of the result: medians of the rounds. */
export interface Figure extends Shape {
  readonly ours: number;
  readonly etcd: number | undefined;
  /** At least 1 when ours is as good; undefined without a comparison. */
  readonly ratio: number | undefined;
  readonly rounds: { readonly ours: readonly number[]; readonly etcd: readonly number[] };
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2) return sorted[middle];
  return sorted.length ? ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2 : undefined;
}

export function figureOf({ name, unit, better }: Shape, rounds: Figure['rounds']): Figure {
  const [ours = Number.NaN, etcd] = [median(rounds.ours), median(rounds.etcd)];
  const ratio = etcd === undefined ? undefined : better === 'more' ? ours / etcd : etcd / ours;
  return { name, unit, better, ours, etcd, ratio, rounds };
}

function number(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0);
}

export function table(figures: readonly Figure[]): string {
  const width = Math.max(0, ...figures.map(({ name }) => name.length));
  const row = (name: string, rest: readonly string[]): string => `${name.padEnd(width)} ${rest.map((cell) => cell.padStart(10)).join(' ')}`.trimEnd();
  const head = row('', ['ours', 'etcd', 'unit', 'ratio']);
  const body = figures.map(({ name, unit, ours, etcd, ratio }) => {
    const verdict = ratio === undefined ? [] : [ratio.toFixed(2), ratio < 1 ? 'UNDER' : ''];
    return row(name, [number(ours), number(etcd), unit, ...verdict]);
  });
  return `\n${[head, ...body].join('\n')}\n`;
}
