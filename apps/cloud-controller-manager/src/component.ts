import { type ApiClient, createLeaderElection, withPace } from '@orrery/client';
import { type AnyController, runTerm, type Term } from '@orrery/controller';
import type { ProgramPages } from '@orrery/node-io';
import { flagsOf } from '@orrery/node-io/z-pages';
import type { Channel } from '@orrery/rpc';
import { type Component, ConfigError, type Env, featureMetric, leaseOptions, resolveConfig, tellBuild } from '@orrery/runtime';
import { type CloudControllerManagerConfig, cloudControllerManagerSchema, periodMs } from './config.ts';
import { cloudNodeLifecycleController } from './nodes/lifecycle-controller.ts';
import { cloudNodeController } from './nodes/node-controller.ts';
import { routeController } from './routes/controller.ts';
import { serviceController } from './service/controller.ts';

export { cloudControllerManagerSchema } from './config.ts';

/** Every controller there is. To add one: one folder, one line here. */
function controllers(cloud: Channel, config: CloudControllerManagerConfig): readonly AnyController[] {
  const all = [
    cloudNodeController(cloud, { concurrency: config.concurrentNodeSyncs, refreshMs: periodMs(config, 'nodeStatusUpdateFrequency') }),
    cloudNodeLifecycleController(cloud, { periodMs: periodMs(config, 'nodeMonitorPeriod') }),
    serviceController(cloud, config.concurrentServiceSyncs),
    routeController(cloud, { clusterName: config.clusterName, periodMs: periodMs(config, 'routeReconciliationPeriod') }),
  ];
  const names = all.map(({ name }) => name);
  const unknown = config.controllers.find((word) => word !== '*' && !names.includes(word.replace(/^-/, '')));
  if (unknown) throw new ConfigError(`--controllers: ${unknown} is not in the list of known controllers: ${names.join(', ')}`);
  const enabled = ({ name }: AnyController): boolean => {
    const about = config.controllers.filter((word) => word === name || word === `-${name}`).at(-1);
    return about === undefined ? config.controllers.includes('*') : about === name;
  };
  return all.filter((one) => enabled(one) && (one.name !== 'node-route-controller' || config.configureCloudRoutes));
}

export interface CloudControllerManagerDeps {
  readonly api: ApiClient;
  readonly cloud: Channel;
  /** Names this replica in the lease. */
  readonly identity?: string;
  /** Takes the lease from whoever holds it at start. */
  readonly takeOver?: boolean;
}

export interface CloudControllerManager extends Component {
  /** What its port shows. */
  readonly pages: ProgramPages;
}

/** Connects the cluster to the cloud it runs on. */
export function createCloudControllerManager(env: Env, deps: CloudControllerManagerDeps, settings: Partial<CloudControllerManagerConfig> = {}): CloudControllerManager {
  const { cloud } = deps;
  const config: CloudControllerManagerConfig = { ...resolveConfig(cloudControllerManagerSchema, []), ...settings };
  const api = withPace(deps.api, { clock: env.clock, qps: config.kubeApiQps, burst: config.kubeApiBurst });
  const wanted = controllers(cloud, config);
  tellBuild(env.metrics);
  featureMetric(env.metrics, config.featureGates);
  let term: Promise<Term> | undefined;
  let serving = false;

  const begin = (signal?: AbortSignal): Promise<Term> => runTerm(env, { api, controllers: wanted, signal });
  const end = async (): Promise<void> => {
    const was = term;
    term = undefined;
    await was?.then((current) => current.stop(), () => undefined);
  };
  const election = createLeaderElection(env, {
    takeOver: deps.takeOver ?? false,
    api,
    ...leaseOptions(config),
    identity: deps.identity ?? `cloud-controller-manager_${env.random.uuid()}`,
    onStartedLeading: (signal) => {
      term = begin(signal);
      term.catch((error: unknown) => {
        if (!signal.aborted) env.log.error('cloud controllers did not start', { error });
      });
    },
    onStoppedLeading: () => void end(),
  });
  return {
    name: 'cloud-controller-manager',
    pages: {
      component: 'cloud-controller-manager',
      ready: [{ name: 'controllers', failure: () => (serving ? undefined : 'the controllers have not started yet') }],
      flags: flagsOf({ ...config }),
      configuration: { 'cloudcontrollermanager.config.k8s.io': config },
    },
    async start(signal) {
      serving = true;
      if (config.leaderElect) return election.start();
      term = begin(signal);
      await term;
    },
    async stop() {
      serving = false;
      if (config.leaderElect) await election.stop();
      await end();
    },
    ready: () => serving,
  };
}
