/** Labels of one series, by name. */
export type Labels = Readonly<Record<string, string>>;

/** One line of a family: its value under a name suffix (`_bucket`, `_sum`; empty for the family's own name) and written labels. */
export interface Line {
  readonly suffix: string;
  /** As `formatLabels` writes them. */
  readonly labels: string;
  readonly value: number;
}

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Everything of one metric name at one moment. */
export interface Family {
  readonly type: MetricType;
  readonly help: string;
  lines(): Iterable<Line>;
}

/** `text`: Prometheus 0.0.4; `openmetrics`: OpenMetrics 1.0.0. */
export type ExposeFormat = 'text' | 'openmetrics';

export const exposeContentTypes: Readonly<Record<ExposeFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : value;
}

function escapeHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

/** `{a="1",b="2"}` in order of names; `extra` comes last. Empty without labels. */
export function formatLabels(labels: Labels | undefined, extra = ''): string {
  const parts = labels ? Object.keys(labels).sort().map((k) => `${k}="${escapeLabel(labels[k] ?? '')}"`) : [];
  if (extra) parts.push(extra);
  return parts.length ? `{${parts.join(',')}}` : '';
}

/** A number in Go's shortest form: exponents below 1e-4 and from 1e6 on. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-4 && size < 1e6)) return String(value);
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** Counts of observations are whole numbers and written as such. */
function lineValue({ suffix, value }: Line): string {
  return suffix === '_bucket' || suffix === '_count' ? String(Math.round(value)) : formatValue(value);
}

/** The exposition of families, in order of names. */
export function exposeFamilies(families: ReadonlyMap<string, Family>, format: ExposeFormat): string {
  const out: string[] = [];
  for (const name of [...families.keys()].sort()) {
    const { type, help, lines } = families.get(name) as Family;
    // OpenMetrics names a counter without the suffix that its samples carry.
    const bare = type === 'counter' && format === 'openmetrics' ? name.replace(/_total$/, '') : name;
    out.push(`# HELP ${bare} ${escapeHelp(help)}`, `# TYPE ${bare} ${type}`);
    const base = type === 'counter' && format === 'openmetrics' ? `${bare}_total` : name;
    for (const line of lines()) out.push(`${base}${line.suffix}${line.labels} ${lineValue(line)}`);
  }
  if (format === 'openmetrics') out.push('# EOF');
  return `${out.join('\n')}\n`;
}
