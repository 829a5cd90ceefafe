import type { ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, type InformerFactory, controllerEventPace, createEventRecorder, createInformerFactory, createLeaderElection, withPace } from '@orrery/client';
import { type AnyController, type RunningController, runController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import type { ProgramPages } from '@orrery/node-io';
import { flagsOf } from '@orrery/node-io/z-pages';
import { type Component, ConfigError, type Env, featureMetric, leaseOptions, tellBuild } from '@orrery/runtime';
import { withBatchPeriod } from './batch-periods.ts';
import { withConcurrency } from './concurrency.ts';
import { currentName, isOfUpstream } from './controller-names.ts';
import { type ControllerOptions, allControllers } from './controllers.ts';
import { type Settings, defaultSettings, isEnabled, periodMs } from './settings.ts';

export { secretTokenSigner } from './serviceaccount/token-signer.ts';
export { settingsSchema } from './settings.ts';

export interface ControllerManagerDeps extends Omit<ControllerOptions, 'settings'> {
  /** Of the manager itself: for its lease and the caches that all controllers share. */
  readonly api: ApiClient;
  /** A client that acts as a service account in kube-system, which a controller does everything else with. Default: `api`. */
  readonly apiAs?: (account: string) => ApiClient;
  /** Names this replica in the lease; one that stays the same over restarts takes its own lease back at once. */
  readonly identity?: string;
  /** Takes the lease from whoever holds it at start. */
  readonly takeOver?: boolean;
}

export interface ControllerManager extends Component {
  isLeader(): boolean;
  /** True when no controller has anything to do now. */
  idle(): boolean;
  /** What its port shows. */
  readonly pages: ProgramPages;
}

/** One term of running controllers: their caches and workers. */
interface Term {
  readonly informers: InformerFactory;
  readonly controllers: RunningController[];
  running: boolean;
  readonly abort: AbortController;
}

/** The controllers that `words` ask for and that are not among `names`. Throws ConfigError for what is no controller. */
function missing(words: readonly string[], names: readonly string[]): string[] {
  const isKnown = (name: string): boolean => name === '*' || names.includes(currentName(name)) || isOfUpstream(name);
  const unknown = words.find((word) => !isKnown(word.replace(/^-/, '')));
  if (unknown) throw new ConfigError(`--controllers: ${unknown} is not in the list of known controllers: ${names.join(', ')}`);
  return words.filter((word) => word !== '*' && !word.startsWith('-') && !names.includes(currentName(word)));
}

/** Whether the API server has an API, or cannot be asked: then whoever needs it keeps asking. */
function isServed(api: ApiClient, resource: ResourceRef): Promise<boolean> {
  return api.list(resource, { limit: 1 }).then(() => true, (error: unknown) => !isNotFound(error));
}

/** Runs the controllers of a cluster against its API, while leading if `leaderElect` is set. */
export function createControllerManager(env: Env, deps: ControllerManagerDeps, config: Partial<Settings> = {}): ControllerManager {
  const settings: Settings = { ...defaultSettings, ...config };
  const { api } = deps;
  const known = allControllers({ ...deps, settings });
  for (const name of missing(settings.controllers, known.map((one) => one.name))) env.log.warn('controller does not run: its feature gate is off, it was not given what it needs, or it is part of another program', { controller: name });
  const wanted = known.filter(({ name }) => isEnabled(name, settings.controllers)).map((definition) => withBatchPeriod(withConcurrency(definition, settings), settings));
  const startIntervalMs = periodMs(settings, 'controllerStartInterval');
  const running = env.metrics.gauge('running_managed_controllers', 'Indicates where instances of a controller are currently running');
  tellBuild(env.metrics);
  featureMetric(env.metrics, settings.featureGates);
  let term: Term | undefined;
  let started = false;
  let ending: Promise<void> = Promise.resolve();

  const begin = async (signal?: AbortSignal): Promise<void> => {
    await ending;
    const served: AnyController[] = [];
    for (const definition of wanted) {
      if (!definition.needs || (await isServed(api, definition.needs))) served.push(definition);
      else env.log.warn('controller does not run: the API server does not have its API', { controller: definition.name, resource: `${definition.needs.resource}.${definition.needs.group}/${definition.needs.version}` });
    }
    const informers = createInformerFactory({ api, env });
    const abort = new AbortController();
    const stop = (): void => abort.abort(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    const controllers = served.map((definition) => {
      const account = definition.account ?? definition.name;
      const own = withPace(account ? (deps.apiAs?.(account) ?? api) : api, { clock: env.clock, qps: settings.kubeApiQps, burst: settings.kubeApiBurst });
      const events = createEventRecorder(env, { api: own, component: definition.eventSource ?? definition.name, pace: controllerEventPace });
      return runController(definition, { env, api: own, informers, events });
    });
    const current: Term = { informers, controllers, running: false, abort };
    term = current;
    informers.start();
    await informers.whenSynced(abort.signal);
    for (const controller of controllers) {
      if (startIntervalMs) await env.clock.sleep(startIntervalMs, abort.signal);
      controller.start();
      running.set(1, { name: controller.name, manager: 'kube-controller-manager' });
    }
    current.running = true;
    env.log.info('controllers are running', { controllers: controllers.length });
  };
  const end = async (): Promise<void> => {
    const was = term;
    term = undefined;
    if (!was) return;
    was.abort.abort(new Error('controllers stop'));
    was.informers.stop();
    for (const { name } of was.controllers) running.set(0, { name, manager: 'kube-controller-manager' });
    await Promise.all(was.controllers.map((controller) => controller.stop()));
  };
  const election = createLeaderElection(env, {
    api,
    ...leaseOptions(settings),
    takeOver: deps.takeOver ?? false,
    identity: deps.identity ?? `kube-controller-manager_${env.random.uuid()}`,
    onStartedLeading: (signal) => {
      begin(signal).catch((error: unknown) => {
        if (!signal.aborted) env.log.error('controllers did not start', { error });
      });
    },
    onStoppedLeading: () => (ending = end()),
  });
  const ready = (): boolean => started && (term === undefined ? settings.leaderElect : term.running);
  return {
    name: 'controller-manager',
    pages: {
      component: 'kube-controller-manager',
      ready: [{ name: 'controllers', failure: () => (ready() ? undefined : 'controllers are not running yet') }],
      flags: flagsOf({ ...settings }),
      configuration: { 'kubecontrollermanager.config.k8s.io': settings },
    },
    async start(signal) {
      if (started) return;
      started = true;
      if (settings.leaderElect) election.start();
      else await begin(signal);
    },
    async stop() {
      started = false;
      if (settings.leaderElect) await election.stop();
      await ending;
      await end();
    },
    ready,
    isLeader: () => (settings.leaderElect ? election.isLeader() : started),
    idle: () => term?.controllers.every((controller) => controller.idle()) ?? true,
  };
}
