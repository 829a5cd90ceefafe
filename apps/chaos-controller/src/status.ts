import type { InjectionRecord } from '@orrery/chaos';
import { rfc3339 } from '@orrery/runtime';
import type { Experiment, ExperimentStatus, InjectionStatus, Phase } from './experiment.ts';
import type { Step } from './plan.ts';
import type { Injection } from './run.ts';

const keptInjections = 20;

function told({ startedMs, endedMs, recoveredMs, targets, error }: InjectionRecord): InjectionStatus {
  return {
    startedAt: rfc3339(startedMs),
    ...(endedMs === undefined ? {} : { endedAt: rfc3339(endedMs) }),
    ...(recoveredMs === undefined ? {} : { recoveredAt: rfc3339(recoveredMs) }),
    ...(targets.length ? { targets } : {}),
    ...(error ? { message: error } : {}),
  };
}

function phaseOf(step: Step, latest: Injection | undefined): Phase {
  if (step.do === 'refuse') return 'Failed';
  if (latest?.isOpen) return 'Running';
  if (latest?.record.error) return 'Failed';
  if (latest && latest.record.recoveredMs === undefined) return 'Recovering';
  return step.do === 'wait' ? step.phase : 'Running';
}

export interface StatusInput {
  readonly experiment: Experiment;
  /** What is to be done next. */
  readonly step: Step;
  /** The latest injection that this controller made; none of an earlier one. */
  readonly latest: Injection | undefined;
  readonly nowMs: number;
}

/** The status as it should read. What an earlier controller left in force ended with it. */
export function statusOf({ experiment, step, latest, nowMs }: StatusInput): ExperimentStatus {
  const before = experiment.status?.injections ?? [];
  const startedAt = latest && rfc3339(latest.record.startedMs);
  const earlier = before.filter((one) => one.startedAt !== startedAt).map((one) => (one.endedAt ? one : { ...one, endedAt: rfc3339(nowMs), message: 'ended with the controller that had injected it' }));
  const injections = latest ? [...earlier, told(latest.record)] : earlier;
  const message = step.do === 'refuse' ? step.why : latest?.record.error;
  return {
    phase: phaseOf(step, latest),
    ...(message ? { message } : {}),
    observedGeneration: experiment.metadata?.generation ?? 0,
    ...(step.do === 'wait' && step.phase === 'Scheduled' && step.untilMs !== undefined ? { nextInjectionAt: rfc3339(step.untilMs) } : {}),
    ...(injections.length ? { injections: injections.slice(-keptInjections) } : {}),
  };
}
