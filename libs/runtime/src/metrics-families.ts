import { type Family, type Labels, type Line, formatLabels, formatValue } from './metrics-text.ts';

/** One series of a counter or gauge: a number to be moved. */
export class Series {
  value = 0;

  /** Counters only go up. */
  inc(by = 1): void {
    this.value += by;
  }

  add(by: number): void {
    this.value += by;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** One series of a histogram. */
export class Buckets {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.add(value, 1);
  }

  /** As many observations of one value: what is weighted by time. */
  add(value: number, times: number): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    if (i < bounds.length) counts[i] = (counts[i] as number) + times;
    this.sum += value * times;
    this.count += times;
  }
}

/** Series of one kind, made when their labels are first seen. */
export class SeriesSet<T> {
  readonly all = new Map<string, { readonly labels: Labels | undefined; readonly series: T }>();
  private readonly make: () => T;

  constructor(make: () => T) {
    this.make = make;
  }

  at(labels: Labels | undefined): T {
    const key = formatLabels(labels);
    let found = this.all.get(key);
    if (!found) this.all.set(key, (found = { labels, series: this.make() }));
    return found.series;
  }
}

export function valueFamily(type: 'counter' | 'gauge', help: string, set: SeriesSet<Series>): Family {
  const lines = function* (): Iterable<Line> {
    for (const [labels, { series }] of set.all) yield { suffix: '', labels, value: series.value };
  };
  return { type, help, lines };
}

function* bucketLines(labels: Labels | undefined, { bounds, counts, sum, count }: Buckets): Iterable<Line> {
  let total = 0;
  for (const [i, bound] of bounds.entries()) {
    total += counts[i] ?? 0;
    yield { suffix: '_bucket', labels: formatLabels(labels, `le="${formatValue(bound)}"`), value: total };
  }
  const own = formatLabels(labels);
  yield { suffix: '_bucket', labels: formatLabels(labels, 'le="+Inf"'), value: count };
  yield { suffix: '_sum', labels: own, value: sum };
  yield { suffix: '_count', labels: own, value: count };
}

export function histogramFamily(help: string, set: SeriesSet<Buckets>): Family {
  const lines = function* (): Iterable<Line> {
    for (const { labels, series } of set.all.values()) yield* bucketLines(labels, series);
  };
  return { type: 'histogram', help, lines };
}
