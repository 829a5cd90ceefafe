import type { BoundHistogram, Env, Histogram } from '@orrery/runtime';
import type { AdmissionAttributes, AdmissionPlugin } from '../pipeline/admission.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

type Phase = 'admit' | 'validate';

/** Runs one call and observes how long it took and whether it refused. */
function timed(histogram: Histogram, clock: Env['clock'], name: string): (phase: Phase, attributes: AdmissionAttributes, run: () => Promise<void> | void) => Promise<void> | void {
  const series = new Map<string, BoundHistogram>();
  const observe = (phase: Phase, operation: string, outcome: { from: number; rejected: boolean }): void => {
    const key = `${phase} ${operation} ${outcome.rejected}`;
    let bound = series.get(key);
    if (!bound) series.set(key, (bound = histogram.with({ name, operation, type: phase, rejected: String(outcome.rejected) })));
    bound.observe((clock.monotonic() - outcome.from) / 1000);
  };
  return (phase, { operation }, run) => {
    const from = clock.monotonic();
    let done: Promise<void> | void;
    try {
      done = run();
    } catch (error) {
      observe(phase, operation, { from, rejected: true });
      throw error;
    }
    if (!(done instanceof Promise)) return observe(phase, operation, { from, rejected: false });
    return done.then(
      () => observe(phase, operation, { from, rejected: false }),
      (error: unknown) => {
        observe(phase, operation, { from, rejected: true });
        throw error;
      },
    );
  };
}

/** The plug-in, timed: `apiserver_admission_controller_admission_duration_seconds`. */
export function meteredAdmission(plugin: AdmissionPlugin, { metrics, clock }: Pick<Env, 'metrics' | 'clock'>): AdmissionPlugin {
  const histogram = metrics.histogram('apiserver_admission_controller_admission_duration_seconds', 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).', buckets);
  const time = timed(histogram, clock, plugin.name);
  return {
    name: plugin.name,
    handles: (attributes) => plugin.handles(attributes),
    ...(plugin.admit ? { admit: (attributes: AdmissionAttributes) => time('admit', attributes, () => plugin.admit?.(attributes)) } : {}),
    ...(plugin.validate ? { validate: (attributes: AdmissionAttributes) => time('validate', attributes, () => plugin.validate?.(attributes)) } : {}),
  };
}
