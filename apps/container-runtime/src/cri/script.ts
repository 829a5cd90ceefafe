import { tryParseQuantity } from '@orrery/apimachinery';
import type { Program } from '../process/proc.ts';

/** What a pod's annotations make a container do; all optional. */
export interface Script {
  readonly exitCode?: number;
  readonly runSeconds?: number;
  readonly logLines?: string;
  /** Cores. */
  readonly cpu?: number;
  /** Bytes. */
  readonly memory?: number;
  /** CPU seconds of a request. */
  readonly cpuPerRequest?: number;
}

const prefix = 'orrery.dev/';

function hasScript(annotations: Readonly<Record<string, string>>): boolean {
  for (const name in annotations) if (name.startsWith(prefix)) return true;
  return false;
}

/** Reads `orrery.dev/NAME`, or `orrery.dev/NAME.CONTAINER` for one container of the pod. */
export function readScript(annotations: Readonly<Record<string, string>> | undefined, container: string): Script | undefined {
  if (!annotations || !hasScript(annotations)) return undefined;
  const value = (name: string): string | undefined => annotations[`${prefix}${name}.${container}`] ?? annotations[`${prefix}${name}`];
  const number = (text: string | undefined): number | undefined => (text === undefined || text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text));
  const quantity = (text: string | undefined): number | undefined => {
    const parsed = text === undefined ? undefined : tryParseQuantity(text);
    return parsed ? Number(parsed.nanos) / 1e9 : undefined;
  };
  const all = {
    exitCode: number(value('exit-code')),
    runSeconds: number(value('run-seconds')),
    logLines: value('log-lines'),
    cpu: quantity(value('cpu')),
    memory: quantity(value('memory')),
    cpuPerRequest: quantity(value('cpu-per-request')),
  };
  const given = Object.entries(all).filter(([, v]) => v !== undefined);
  return given.length ? (Object.fromEntries(given) as Script) : undefined;
}

/** A number makes so many lines; other text is printed as it is. */
export function scriptedOutput(logLines: string): string {
  if (!/^\d+$/.test(logLines)) return logLines.endsWith('\n') ? logLines : `${logLines}\n`;
  return Array.from({ length: Math.min(Number(logLines), 100_000) }, (_, i) => `line ${i + 1}\n`).join('');
}

/** The program of a scripted container, or undefined when the image's own is to run. */
export function scriptedProgram(script: Script | undefined): Program | undefined {
  if (!script || (script.exitCode === undefined && script.runSeconds === undefined)) return undefined;
  return async (proc) => {
    if (script.logLines !== undefined) await proc.out(scriptedOutput(script.logLines));
    if (script.runSeconds) await proc.sleep(script.runSeconds * 1000);
    return script.exitCode ?? 0;
  };
}
