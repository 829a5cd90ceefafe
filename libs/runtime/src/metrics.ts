/** Prometheus metrics, named as upstream names them. Labels are given by name at every observation. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  inc(labels?: Labels, by?: number): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

export interface Metrics {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  /** A gauge read when scraped. */
  gaugeFn(name: string, help: string, read: () => number): void;
  histogram(name: string, help: string, buckets: readonly number[]): Histogram;
  /** Text exposition format 0.0.4 of everything registered. */
  expose(): string;
}

/** Seconds; upstream's exponential 1 ms to about 16 s. */
export const latencyBuckets: readonly number[] = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);

interface Family {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  lines(): string[];
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function formatLabels(labels: Labels | undefined, extra = ''): string {
  const parts = labels ? Object.keys(labels).sort().map((k) => `${k}="${escapeLabel(labels[k] ?? '')}"`) : [];
  if (extra) parts.push(extra);
  return parts.length ? `{${parts.join(',')}}` : '';
}

function valueFamily(type: 'counter' | 'gauge', name: string, help: string): { family: Family; values: Map<string, number> } {
  const values = new Map<string, number>();
  const lines = (): string[] => [...values].map(([labels, value]) => `${name}${labels} ${value}`);
  return { family: { type, help, lines }, values };
}

interface HistogramState {
  labels: Labels | undefined;
  counts: number[];
  sum: number;
  count: number;
}

function histogramFamily(name: string, help: string, buckets: readonly number[]): { family: Family; histogram: Histogram } {
  const states = new Map<string, HistogramState>();
  const lines = (): string[] =>
    [...states.values()].flatMap(({ labels, counts, sum, count }) => {
      let total = 0;
      const rows = buckets.map((bound, i) => {
        total += counts[i] ?? 0;
        return `${name}_bucket${formatLabels(labels, `le="${bound}"`)} ${total}`;
      });
      rows.push(`${name}_bucket${formatLabels(labels, 'le="+Inf"')} ${count}`);
      rows.push(`${name}_sum${formatLabels(labels)} ${sum}`, `${name}_count${formatLabels(labels)} ${count}`);
      return rows;
    });
  const observe = (value: number, labels?: Labels): void => {
    const key = formatLabels(labels);
    let state = states.get(key);
    if (!state) states.set(key, (state = { labels, counts: buckets.map(() => 0), sum: 0, count: 0 }));
    const i = buckets.findIndex((bound) => value <= bound);
    if (i >= 0) state.counts[i] = (state.counts[i] ?? 0) + 1;
    state.sum += value;
    state.count += 1;
  };
  return { family: { type: 'histogram', help, lines }, histogram: { observe } };
}

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
  return {
    counter: (name, help) =>
      once<Counter>(name, () => {
        const { family, values } = valueFamily('counter', name, help);
        const inc = (labels?: Labels, by = 1): void => {
          const key = formatLabels(labels);
          values.set(key, (values.get(key) ?? 0) + by);
        };
        return { family, handle: { inc } };
      }),
    gauge: (name, help) =>
      once<Gauge>(name, () => {
        const { family, values } = valueFamily('gauge', name, help);
        return { family, handle: { set: (value, labels) => void values.set(formatLabels(labels), value) } };
      }),
    gaugeFn(name, help, read) {
      families.set(name, { type: 'gauge', help, lines: () => [`${name} ${read()}`] });
    },
    histogram: (name, help, buckets) =>
      once<Histogram>(name, () => {
        const { family, histogram } = histogramFamily(name, help, buckets);
        return { family, handle: histogram };
      }),
    expose() {
      const out: string[] = [];
      for (const [name, family] of families) {
        out.push(`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`, ...family.lines());
      }
      return `${out.join('\n')}\n`;
    },
  };
}
