/** One sample in Prometheus' text format; the time in milliseconds is left out where it is undefined. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly timeMs?: number | undefined;
  /** What follows the family's name: `_bucket`, `_sum`, `_count` of histograms. */
  readonly suffix?: string;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function line(name: string, { labels, value, timeMs, suffix = '' }: Sample): string {
  const names = Object.keys(labels).sort();
  const text = names.length ? `{${names.map((key) => `${key}="${escaped(labels[key] ?? '')}"`).join(',')}}` : '';
  return `${name}${suffix}${text} ${value}${timeMs === undefined ? '' : ` ${timeMs}`}`;
}

/** Families without samples are left out. Labels come in alphabetical order, as Go's client writes them. */
export function expose(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((sample) => `${line(name, sample)}\n`).join('')}`)
    .join('');
}
