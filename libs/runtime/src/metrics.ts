import { Buckets, Series, SeriesSet, histogramFamily, valueFamily } from './metrics-families.ts';
import { type ExposeFormat, type Family, type Labels, type MetricType, exposeFamilies, formatLabels } from './metrics-text.ts';

export { type ExposeFormat, type Labels, type MetricType, exposeContentTypes } from './metrics-text.ts';

/** Prometheus metrics, named as upstream names them. Labels are given by name at every observation, or once (`with`) on hot paths. */
export interface Counter {
  inc(labels?: Labels, by?: number): void;
  /** One series, for who counts often: no labels are looked up any more. */
  with(labels: Labels): BoundCounter;
}

export interface BoundCounter {
  inc(by?: number): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
  with(labels: Labels): BoundGauge;
}

export interface BoundGauge {
  set(value: number): void;
  add(by: number): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
  with(labels: Labels): BoundHistogram;
}

export interface BoundHistogram {
  observe(value: number): void;
  /** As many observations of one value: what is weighted by time. */
  add(value: number, times: number): void;
}

/** One series of a family that is read when scraped. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

export interface Metrics {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  /** A gauge read when scraped. */
  gaugeFn(name: string, help: string, read: () => number): void;
  /** A family read when scraped; registering the name again replaces it. */
  collect(name: string, about: { readonly type: Exclude<MetricType, 'histogram'>; readonly help: string }, read: () => Iterable<Sample>): void;
  histogram(name: string, help: string, buckets: readonly number[]): Histogram;
  /** Everything registered, in order of names; without a format in Prometheus' text format 0.0.4. `only` picks names. */
  expose(format?: ExposeFormat, only?: (name: string) => boolean): string;
}

/** Seconds; upstream's exponential 1 ms to about 16 s. */
export const latencyBuckets: readonly number[] = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);

/** A fresh registry. Registering a name again returns the same family, so replicas in one process may share one. */
export function createMetrics(): Metrics {
  const families = new Map<string, Family>();
  const handles = new Map<string, unknown>();
  const once = <T>(name: string, make: () => { family: Family; handle: T }): T => {
    if (!handles.has(name)) {
      const { family, handle } = make();
      families.set(name, family);
      handles.set(name, handle);
    }
    return handles.get(name) as T;
  };
  const collect: Metrics['collect'] = (name, { type, help }, read) => {
    const lines = function* () {
      for (const { labels, value } of read()) yield { suffix: '', labels: formatLabels(labels), value };
    };
    families.set(name, { type, help, lines });
  };
  return {
    counter: (name, help) =>
      once<Counter>(name, () => {
        const set = new SeriesSet(() => new Series());
        return { family: valueFamily('counter', help, set), handle: { inc: (labels, by = 1) => set.at(labels).inc(by), with: (labels) => set.at(labels) } };
      }),
    gauge: (name, help) =>
      once<Gauge>(name, () => {
        const set = new SeriesSet(() => new Series());
        return { family: valueFamily('gauge', help, set), handle: { set: (value, labels) => set.at(labels).set(value), with: (labels) => set.at(labels) } };
      }),
    gaugeFn: (name, help, read) => collect(name, { type: 'gauge', help }, () => [{ value: read() }]),
    collect,
    histogram: (name, help, buckets) =>
      once<Histogram>(name, () => {
        const set = new SeriesSet(() => new Buckets(buckets));
        return { family: histogramFamily(help, set), handle: { observe: (value, labels) => set.at(labels).observe(value), with: (labels) => set.at(labels) } };
      }),
    expose(format = 'text', only) {
      const chosen = only ? new Map([...families].filter(([name]) => only(name))) : families;
      return exposeFamilies(chosen, format);
    },
  };
}
