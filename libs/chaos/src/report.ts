import { formatGoDuration } from '@orrery/runtime';

/** One injection of a fault: when it began and ended, and when all was well again. Times are milliseconds since the epoch. */
export interface InjectionRecord {
  /** Of the experiment, or of the call. */
  readonly name: string;
  /** `pause scheduler`. */
  readonly what: string;
  /** What was struck in fact. */
  readonly targets: readonly string[];
  readonly startedMs: number;
  /** Undefined: it lasts. */
  readonly endedMs?: number;
  /** When everything that is looked at was well again; undefined: not yet, or not within the time that was given. */
  readonly recoveredMs?: number;
  /** Why it could not be done, or not be ended. */
  readonly error?: string;
}

/** A stretch during which something that is looked at was not well. */
export interface Disturbance {
  /** `API server answers`, `nodes are Ready`. */
  readonly what: string;
  readonly detail: string;
  readonly fromMs: number;
  /** Undefined: it lasts. */
  readonly untilMs?: number;
}

export interface ChaosReport {
  readonly cluster: string;
  readonly madeMs: number;
  readonly injections: readonly InjectionRecord[];
  readonly disturbances: readonly Disturbance[];
}

const time = (ms: number): string => new Date(ms).toISOString().slice(11, 23);
const span = (from: number, until: number): string => formatGoDuration(Math.max(0, Math.round(until - from)));

function outcome({ startedMs, endedMs, recoveredMs, error }: InjectionRecord): string {
  if (error) return `failed: ${error}`;
  if (endedMs === undefined) return 'in force';
  const lasted = endedMs === startedMs ? 'done at once' : `lasted ${span(startedMs, endedMs)}`;
  return recoveredMs === undefined ? `${lasted}, not well again yet` : `${lasted}, well again ${recoveredMs <= endedMs ? 'at its end' : `after ${span(endedMs, recoveredMs)}`}`;
}

/** The report for people: what was broken when, what followed, what was well again after how long. */
export function reportText({ cluster, injections, disturbances }: ChaosReport): string {
  const lines = [`Chaos on ${cluster}: ${injections.length} injection${injections.length === 1 ? '' : 's'}`];
  for (const injection of injections) {
    lines.push('', `${time(injection.startedMs)}  ${injection.what}${injection.name ? `  [${injection.name}]` : ''}`);
    if (injection.targets.length) lines.push(`              struck: ${injection.targets.join(', ')}`);
    lines.push(`              ${outcome(injection)}`);
    if (injection.error) continue;
    const end = injection.recoveredMs ?? Number.POSITIVE_INFINITY;
    const during = disturbances.filter(({ fromMs, untilMs }) => fromMs <= end && (untilMs ?? Number.POSITIVE_INFINITY) >= injection.startedMs);
    for (const { what, detail, fromMs, untilMs } of during) lines.push(`  ${time(fromMs)}  not so: ${what} (${detail})${untilMs === undefined ? ', still' : `, for ${span(fromMs, untilMs)}`}`);
  }
  return `${lines.join('\n')}\n`;
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

interface Row {
  readonly label: string;
  readonly bars: readonly { readonly kind: 'fault' | 'recovery' | 'trouble'; readonly from: number; readonly until: number; readonly title: string }[];
}

function rowsOf({ injections, disturbances, madeMs }: ChaosReport): Row[] {
  const faults = injections.map((one): Row => {
    const ended = one.endedMs ?? madeMs;
    const fault = { kind: 'fault' as const, from: one.startedMs, until: ended, title: `${one.what}: ${outcome(one)}` };
    const recovery = { kind: 'recovery' as const, from: ended, until: one.recoveredMs ?? madeMs, title: `recovery: ${span(ended, one.recoveredMs ?? madeMs)}` };
    return { label: one.what, bars: recovery.until > recovery.from && !one.error ? [fault, recovery] : [fault] };
  });
  const byWhat = Map.groupBy(disturbances, ({ what }) => what);
  const troubles = [...byWhat].map(([what, list]): Row => ({ label: what, bars: list.map(({ detail, fromMs, untilMs }) => ({ kind: 'trouble', from: fromMs, until: untilMs ?? madeMs, title: `${detail}: ${span(fromMs, untilMs ?? madeMs)}` })) }));
  return [...faults, ...troubles];
}

const css = `body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}table{border-collapse:collapse;width:100%}td,th{padding:.3em .6em;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#333}.fault{fill:#c0392b}.recovery{fill:#e0a030}.trouble{fill:#7f8fa6}.grid{stroke:#eee}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}text{fill:#ccc}td,th{border-color:#444}.grid{stroke:#333}}`;

const width = 1000;
const labelWidth = 330;
const rowHeight = 24;

function timeline(report: ChaosReport): string {
  const rows = rowsOf(report);
  const bars = rows.flatMap((row) => row.bars);
  if (!bars.length) return '<p>Nothing was injected.</p>';
  const from = Math.min(...bars.map((bar) => bar.from));
  const until = Math.max(from + 1, ...bars.map((bar) => bar.until));
  const x = (ms: number): number => labelWidth + ((ms - from) / (until - from)) * (width - labelWidth);
  const height = rows.length * rowHeight + 30;
  const grid = Array.from({ length: 6 }, (_, i) => from + ((until - from) * i) / 5).map((ms, i) => `<line class="grid" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="0" y2="${height - 25}"/><text x="${x(ms).toFixed(1)}" y="${height - 8}" text-anchor="${i === 5 ? 'end' : 'middle'}">+${escape(span(from, ms))}</text>`);
  const drawn = rows.map(({ label, bars: own }, i) => {
    const y = i * rowHeight;
    const rects = own.map((bar) => `<rect class="${bar.kind}" x="${x(bar.from).toFixed(1)}" y="${y + 4}" width="${Math.max(2, x(bar.until) - x(bar.from)).toFixed(1)}" height="${rowHeight - 8}" rx="2"><title>${escape(bar.title)}</title></rect>`);
    return `<text x="0" y="${y + 16}">${escape(label.slice(0, 52))}</text>${rects.join('')}`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="timeline">${grid.join('')}${drawn.join('')}</svg>`;
}

/** The report as one HTML file that needs nothing else: a timeline and a table. */
export function reportHtml(report: ChaosReport): string {
  const rows = report.injections.map((one) => `<tr><td>${escape(new Date(one.startedMs).toISOString())}</td><td>${escape(one.what)}</td><td>${escape(one.targets.join(', '))}</td><td>${escape(outcome(one))}</td></tr>`);
  const troubles = report.disturbances.map(({ what, detail, fromMs, untilMs }) => `<tr><td>${escape(new Date(fromMs).toISOString())}</td><td>${escape(what)}</td><td>${escape(detail)}</td><td>${untilMs === undefined ? 'still' : escape(span(fromMs, untilMs))}</td></tr>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Chaos on ${escape(report.cluster)}</title><style>${css}</style></head>
<body><h1>Chaos on ${escape(report.cluster)}</h1>
${timeline(report)}
<h2>Injected</h2><table><tr><th>when</th><th>what</th><th>struck</th><th>outcome</th></tr>${rows.join('')}</table>
<h2>What was not well</h2><table><tr><th>since</th><th>what</th><th>detail</th><th>for</th></tr>${troubles.join('')}</table>
</body></html>
`;
}

/** The report for programs: times as RFC 3339, durations in milliseconds. */
export function reportJson(report: ChaosReport): string {
  const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());
  const injections = report.injections.map(({ startedMs, endedMs, recoveredMs, ...rest }) => ({
    ...rest,
    started: iso(startedMs),
    ended: iso(endedMs),
    recovered: iso(recoveredMs),
    ...(endedMs === undefined ? {} : { lastedMs: endedMs - startedMs, ...(recoveredMs === undefined ? {} : { recoveryMs: Math.max(0, recoveredMs - endedMs) }) }),
  }));
  const disturbances = report.disturbances.map(({ fromMs, untilMs, ...rest }) => ({ ...rest, from: iso(fromMs), until: iso(untilMs), ...(untilMs === undefined ? {} : { lastedMs: untilMs - fromMs }) }));
  return `${JSON.stringify({ cluster: report.cluster, made: iso(report.madeMs), injections, disturbances }, null, 2)}\n`;
}
