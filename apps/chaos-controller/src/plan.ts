import { Cron } from 'croner';
import { parseGoDuration } from '@orrery/runtime';
import { type Experiment, experimentProblems } from './experiment.ts';

/** What is known of an experiment besides its object. */
export interface Known {
  /** When the injection that is in force began; undefined: none is. */
  readonly runningSinceMs: number | undefined;
  /** The generation that was injected last. */
  readonly generation: number | undefined;
  /** When the latest injection began, ever. */
  readonly lastStartMs: number | undefined;
}

/** What to do about an experiment now. */
export type Step =
  | { readonly do: 'inject'; readonly durationMs: number | undefined }
  | { readonly do: 'end'; readonly why: string }
  /** Nothing, until then (undefined: until it changes). */
  | { readonly do: 'wait'; readonly phase: 'Scheduled' | 'Running' | 'Completed' | 'Stopped'; readonly untilMs: number | undefined }
  | { readonly do: 'refuse'; readonly why: string };

const parse = (field: string, text: string): number => {
  try {
    const ms = parseGoDuration(text);
    if (ms > 0) return ms;
  } catch {
    // Said below, in one way for all.
  }
  throw new Error(`${field}: ${JSON.stringify(text)} is no span of time such as 90s or 1h30m`);
};

/** The first time after `afterMs` that a schedule names; undefined for never. Throws an Error for what is no schedule. */
export function nextTime(schedule: string, afterMs: number): number | undefined {
  const every = /^@every\s+(.+)$/.exec(schedule.trim())?.[1];
  if (every !== undefined) return afterMs + Math.max(1000, parse('spec.schedule', every));
  if (!schedule.trim().startsWith('@') && schedule.trim().split(/\s+/).length !== 5) throw new Error(`spec.schedule: ${JSON.stringify(schedule)} has not the five fields of cron`);
  try {
    return new Cron(schedule.trim(), { paused: true, timezone: 'Etc/UTC' }).nextRun(new Date(Math.floor(afterMs / 1000) * 1000))?.getTime();
  } catch (error) {
    throw new Error(`spec.schedule: ${(error as Error).message}`);
  }
}

/** Decides. Pure: the same experiment at the same time means the same step. */
export function plan(experiment: Experiment, known: Known, nowMs: number): Step {
  const { spec, metadata } = experiment;
  const { runningSinceMs } = known;
  let durationMs: number | undefined;
  try {
    const problems = experimentProblems(experiment);
    if (problems.length) throw new Error(problems.join('; '));
    durationMs = spec.duration === undefined ? undefined : parse('spec.duration', spec.duration);
    if (spec.schedule !== undefined) nextTime(spec.schedule, nowMs);
  } catch (error) {
    return runningSinceMs === undefined ? { do: 'refuse', why: (error as Error).message } : { do: 'end', why: (error as Error).message };
  }
  if (runningSinceMs !== undefined) {
    if (spec.stop) return { do: 'end', why: 'stopped' };
    if (known.generation !== metadata?.generation) return { do: 'end', why: 'the experiment was changed' };
    const untilMs = durationMs === undefined ? undefined : runningSinceMs + durationMs;
    return untilMs !== undefined && untilMs <= nowMs ? { do: 'end', why: 'its time is over' } : { do: 'wait', phase: 'Running', untilMs };
  }
  if (spec.stop) return { do: 'wait', phase: 'Stopped', untilMs: undefined };
  if (spec.schedule === undefined) {
    // Once; a change of what is to be done is another once.
    const isDone = known.lastStartMs !== undefined && known.generation === metadata?.generation;
    return isDone ? { do: 'wait', phase: 'Completed', untilMs: undefined } : { do: 'inject', durationMs };
  }
  const due = nextTime(spec.schedule, known.lastStartMs ?? Date.parse(metadata?.creationTimestamp ?? '1970-01-01T00:00:00Z'));
  if (due === undefined) return { do: 'wait', phase: 'Completed', untilMs: undefined };
  return due <= nowMs ? { do: 'inject', durationMs } : { do: 'wait', phase: 'Scheduled', untilMs: due };
}
