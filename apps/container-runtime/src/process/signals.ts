/** Signal numbers of Linux on x86 and arm. */
export const signals = {
  HUP: 1, INT: 2, QUIT: 3, ILL: 4, TRAP: 5, ABRT: 6, BUS: 7, FPE: 8, KILL: 9, USR1: 10, SEGV: 11, USR2: 12, PIPE: 13, ALRM: 14, TERM: 15,
  STKFLT: 16, CHLD: 17, CONT: 18, STOP: 19, TSTP: 20, TTIN: 21, TTOU: 22, URG: 23, XCPU: 24, XFSZ: 25, VTALRM: 26, PROF: 27, WINCH: 28,
  IO: 29, PWR: 30, SYS: 31,
} as const;

export type SignalName = keyof typeof signals;

const names = new Map<number, string>(Object.entries(signals).map(([name, number]) => [number, name]));

export function signalName(number: number): string {
  return names.get(number) ?? String(number);
}

/** `TERM`, `SIGTERM`, `term` or `15`; undefined when there is no such signal. */
export function parseSignal(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= 64 ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, '');
  return (signals as Readonly<Record<string, number>>)[name];
}

/** Signals that do nothing to a process without a handler. Stopping is not emulated. */
const harmless: ReadonlySet<number> = new Set([signals.CHLD, signals.CONT, signals.URG, signals.WINCH, signals.STOP, signals.TSTP, signals.TTIN, signals.TTOU]);

export function endsByDefault(signal: number): boolean {
  return signal !== 0 && !harmless.has(signal);
}

/** What the shell says of a process ended by a signal. */
export const endedTexts: Readonly<Record<number, string>> = {
  [signals.KILL]: 'Killed',
  [signals.TERM]: 'Terminated',
  [signals.SEGV]: 'Segmentation fault',
  [signals.ABRT]: 'Aborted',
  [signals.HUP]: 'Hangup',
};
