/** How long each fault was felt, printed at the end of a suite. */
export interface Timings {
  add(fault: string, timing: { readonly gapMs: number; readonly healedMs: number }): void;
  print(title: string): void;
  readonly rows: readonly { readonly fault: string; readonly gapMs: number; readonly healedMs: number }[];
}

export function createTimings(): Timings {
  const rows: { fault: string; gapMs: number; healedMs: number }[] = [];
  const seconds = (ms: number): string => (ms / 1000).toFixed(1).padStart(8);
  return {
    rows,
    add: (fault, timing) => void rows.push({ fault, ...timing }),
    print(title) {
      const width = Math.max(...rows.map(({ fault }) => fault.length));
      const lines = rows.map(({ fault, gapMs, healedMs }) => `${fault.padEnd(width)} ${seconds(gapMs)} ${seconds(healedMs)}`);
      process.stdout.write(`\n${title}: seconds without a write, and until a Deployment changes again\n${lines.join('\n')}\n`);
    },
  };
}
