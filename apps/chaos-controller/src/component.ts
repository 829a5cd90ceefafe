import { CustomResourceDefinitions } from '@orrery/api';
import type { CustomResourceDefinition } from '@orrery/api/types';
import { type ChaosReport, type ChaosWorld } from '@orrery/chaos';
import { type ApiClient, createEventRecorder, createInformerFactory, deepEqual } from '@orrery/client';
import { type ControllerContext, type RunningController, defineController, runController } from '@orrery/controller';
import { StatusError, hasReason } from '@orrery/errors';
import { type Component, type Env, formatGoDuration } from '@orrery/runtime';
import { type Experiment, Experiments, experimentDefinition, faultOf } from './experiment.ts';
import { type Known, type Step, plan } from './plan.ts';
import { type Injection, Runs } from './run.ts';
import { statusOf } from './status.ts';

export { composeChaos } from './compose/compose-world.ts';
export { type Experiment, type ExperimentSpec, type ExperimentStatus, Experiments, chaosGroup } from './experiment.ts';

export interface ChaosControllerDeps {
  /** Acts as the user `orrery:chaos`, whom no fault of requests strikes. */
  readonly api: ApiClient;
  readonly world: ChaosWorld;
  /** Names the cluster in reports. */
  readonly cluster: string;
}

export interface ChaosController extends Component {
  /** What was broken when, and what recovered after how long, since this controller runs. */
  report(): ChaosReport;
  /** Ends at once what experiments have in force, whether or not the API server can be reached; all of them without names. Their `stop` is not set. */
  end(names?: readonly string[]): Promise<string[]>;
}

interface Injected {
  readonly uid: string;
  readonly generation: number;
  readonly startMs: number;
}

const retryMs = 1_000;
const maxSaid = 10_000;

/** What is known of an experiment: of this controller's own doing first, else from the status. */
function knownOf(experiment: Experiment, own: Injected | undefined, runningSinceMs: number | undefined): Known {
  if (own && own.uid === experiment.metadata?.uid) return { runningSinceMs, generation: own.generation, lastStartMs: own.startMs };
  const last = experiment.status?.injections?.at(-1);
  return { runningSinceMs, generation: experiment.status?.observedGeneration, lastStartMs: last ? Date.parse(last.startedAt) : undefined };
}

function createReconciler(env: Env, api: ApiClient, runs: Runs) {
  const injected = new Map<string, Injected>();

  const act = async (experiment: Experiment, step: Step, context: ControllerContext): Promise<boolean> => {
    const { name = '', uid = '', generation = 0 } = experiment.metadata ?? {};
    if (step.do === 'inject') {
      injected.set(name, { uid, generation, startMs: env.clock.now() });
      const record = await runs.inject(name, faultOf(experiment), step.durationMs);
      const failed = record.error !== undefined;
      context.events.event(Experiments, experiment, { type: failed ? 'Warning' : 'Normal', reason: failed ? 'InjectionFailed' : 'Injected', message: record.error ?? `${record.what}${record.targets.length ? `: struck ${record.targets.join(', ')}` : ''}` });
      return true;
    }
    if (step.do !== 'end') return false;
    await runs.end(name);
    return true;
  };
  const said = new Set<string>();
  /** Tells once of each end and each recovery. */
  const tell = (experiment: Experiment, latest: Injection | undefined, context: ControllerContext): void => {
    if (!latest || latest.isOpen || latest.record.error) return;
    const { name, startedMs, endedMs = startedMs, recoveredMs, what } = latest.record;
    const once = (reason: string, message: string): void => {
      if (said.size > maxSaid) said.clear();
      const key = `${name} ${startedMs} ${reason}`;
      if (!said.has(key)) context.events.event(Experiments, experiment, { type: 'Normal', reason, message });
      said.add(key);
    };
    if (endedMs > startedMs) once('Ended', `${what}: ended after ${formatGoDuration(Math.round(endedMs - startedMs))}`);
    if (recoveredMs !== undefined) once('Recovered', `all was well again ${formatGoDuration(Math.max(0, Math.round(recoveredMs - endedMs)))} after the end`);
  };

  return async (name: string, context: ControllerContext): Promise<{ requeueAfterMs?: number }> => {
    const experiment = context.store(Experiments).get(name);
    if (!experiment || experiment.metadata?.deletionTimestamp) {
      await runs.end(name);
      injected.delete(name);
      return {};
    }
    const next = (): Step => plan(experiment, knownOf(experiment, injected.get(name), runs.of(name)?.startedMs), env.clock.now());
    let step = next();
    if (await act(experiment, step, context)) step = next();
    const isOwn = injected.get(name)?.uid === experiment.metadata?.uid;
    const latest = isOwn ? runs.latest(name) : undefined;
    tell(experiment, latest, context);
    const status = statusOf({ experiment, step, latest, nowMs: env.clock.now() });
    if (step.do === 'refuse' && experiment.status?.phase !== 'Failed') context.events.event(Experiments, experiment, { type: 'Warning', reason: 'InvalidExperiment', message: step.why });
    try {
      if (!deepEqual(status, experiment.status)) await api.patch(Experiments, { name }, [{ op: 'add', path: '/status', value: status }], { type: 'application/json-patch+json', subresource: 'status' });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return {};
      // The server may be what was struck: faults end by their own timers, the status is told when it can be.
      env.log.debug('the status of an experiment could not be written', { name, error });
      return { requeueAfterMs: retryMs };
    }
    return step.do === 'wait' && step.untilMs !== undefined ? { requeueAfterMs: Math.max(0, step.untilMs - env.clock.now()) } : {};
  };
}

/** Makes the API server serve experiments; one that is older learns what is new. */
async function ensureDefinition(env: Env, api: ApiClient, signal: AbortSignal): Promise<void> {
  const definition = experimentDefinition as unknown as CustomResourceDefinition;
  while (!signal.aborted) {
    try {
      await api.create(CustomResourceDefinitions, definition);
      return;
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) break;
      if (error instanceof StatusError && error.code < 500 && error.code !== 429) throw error;
      await env.clock.sleep(retryMs, signal);
    }
  }
  await api.patch(CustomResourceDefinitions, { name: experimentDefinition.metadata.name }, { spec: experimentDefinition.spec }, { type: 'application/merge-patch+json' });
}

/** Reconciles Experiments of chaos.orrery.dev: injects their faults into the world it is given, by schedule, for their duration, until they are stopped. */
export function createChaosController(env: Env, deps: ChaosControllerDeps): ChaosController {
  const { api, world, cluster } = deps;
  const stopping = new AbortController();
  const informers = createInformerFactory({ api, env });
  const events = createEventRecorder(env, { api, component: 'chaos-controller' });
  let running: RunningController | undefined;
  let enqueue: (name: string) => void = () => undefined;
  const runs = new Runs({ env, api, world, cluster, changed: (name) => enqueue(name) });
  const reconcile = createReconciler(env, api, runs);
  const definition = defineController<Experiment>({
    name: 'chaos-controller',
    for: Experiments,
    setup(context) {
      enqueue = (name) => context.enqueue(name);
      return undefined;
    },
    reconcile,
  });
  return {
    name: 'chaos-controller',
    async start() {
      await ensureDefinition(env, api, stopping.signal);
      running = runController(definition, { env, api, informers, events });
      informers.start();
      await informers.whenSynced(stopping.signal);
      running.start();
    },
    async stop() {
      stopping.abort(new Error('the chaos controller stops'));
      await runs.stop();
      await running?.stop();
      informers.stop();
    },
    ready: () => running !== undefined,
    report: () => runs.report(),
    async end(names) {
      const chosen = runs.open.filter((name) => !names || names.includes(name));
      await Promise.all(chosen.map((name) => runs.end(name)));
      return chosen;
    },
  };
}
