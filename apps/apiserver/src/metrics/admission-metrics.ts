import type { BoundHistogram, Env } from '@orrery/runtime';
import type { AdmissionAttributes, AdmissionPlugin } from '../pipeline/admission.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

type Phase = 'admit' | 'validate';

interface Outcomes {
  readonly accepted: BoundHistogram;
  readonly rejected: BoundHistogram;
}

/** One half of a plug-in, timed. It runs in every write, so series are looked up once and nothing is made for what is synchronous. */
function timed(run: (attributes: AdmissionAttributes) => Promise<void> | void, clock: Env['clock'], outcomesOf: (operation: string) => Outcomes): (attributes: AdmissionAttributes) => Promise<void> | void {
  const seconds = (from: number): number => (clock.monotonic() - from) / 1000;
  const whenDone = async (done: Promise<void>, outcomes: Outcomes, from: number): Promise<void> => {
    let series = outcomes.rejected;
    try {
      await done;
      series = outcomes.accepted;
    } finally {
      series.observe(seconds(from));
    }
  };
  return (attributes) => {
    const outcomes = outcomesOf(attributes.operation);
    const from = clock.monotonic();
    let done: Promise<void> | void;
    try {
      done = run(attributes);
    } catch (error) {
      outcomes.rejected.observe(seconds(from));
      throw error;
    }
    if (done instanceof Promise) return whenDone(done, outcomes, from);
    outcomes.accepted.observe(seconds(from));
  };
}

/** The plug-in, timed: `apiserver_admission_controller_admission_duration_seconds`. */
export function meteredAdmission(plugin: AdmissionPlugin, { metrics, clock }: Pick<Env, 'metrics' | 'clock'>): AdmissionPlugin {
  const histogram = metrics.histogram('apiserver_admission_controller_admission_duration_seconds', 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).', buckets);
  const half = (phase: Phase, run: (attributes: AdmissionAttributes) => Promise<void> | void) => {
    const known = new Map<string, Outcomes>();
    const series = (operation: string, rejected: string): BoundHistogram => histogram.with({ name: plugin.name, operation, type: phase, rejected });
    return timed(run, clock, (operation) => {
      let outcomes = known.get(operation);
      if (!outcomes) known.set(operation, (outcomes = { accepted: series(operation, 'false'), rejected: series(operation, 'true') }));
      return outcomes;
    });
  };
  const { admit, validate } = plugin;
  return {
    name: plugin.name,
    handles: (attributes) => plugin.handles(attributes),
    ...(admit ? { admit: half('admit', (attributes) => admit.call(plugin, attributes)) } : {}),
    ...(validate ? { validate: half('validate', (attributes) => validate.call(plugin, attributes)) } : {}),
  };
}
