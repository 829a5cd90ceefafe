import { writeFileSync } from 'node:fs';

/** One measured figure; `budget` as the design states it, with the side that is good. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly budget?: { readonly atMost: number } | { readonly atLeast: number };
}

function verdict({ value, budget }: Figure): string {
  if (!budget) return '';
  if ('atMost' in budget) return `budget ≤ ${budget.atMost}${value <= budget.atMost ? '' : '  OVER'}`;
  return `budget ≥ ${budget.atLeast}${value >= budget.atLeast ? '' : '  UNDER'}`;
}

/** Prints a table and, with a file, writes the figures as JSON. */
export function report(title: string, figures: readonly Figure[], jsonFile?: string): void {
  const width = Math.max(...figures.map((f) => f.name.length));
  const lines = figures.map((f) => `${f.name.padEnd(width)}  ${f.value.toFixed(f.value < 100 ? 2 : 0).padStart(10)} ${f.unit.padEnd(7)} ${verdict(f)}`);
  process.stdout.write(`\n${title}\n${lines.join('\n')}\n`);
  if (jsonFile) writeFileSync(jsonFile, `${JSON.stringify({ title, figures }, null, 2)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
