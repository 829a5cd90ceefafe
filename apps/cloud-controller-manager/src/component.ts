import { type ApiClient, createEventRecorder, createInformerFactory, createLeaderElection } from '@orrery/client';
import { type AnyController, type RunningController, runController } from '@orrery/controller';
import type { Channel } from '@orrery/rpc';
import type { Component, Env } from '@orrery/runtime';
import type { CloudControllerManagerConfig } from './config.ts';
import { serviceController } from './service/controller.ts';

export { cloudControllerManagerSchema } from './config.ts';

/** Every controller there is. To add one: one folder, one line here. */
function controllers(cloud: Channel): readonly AnyController[] {
  return [serviceController(cloud)];
}

/** Connects the cluster to the cloud it runs on. */
export function createCloudControllerManager(env: Env, deps: { api: ApiClient; cloud: Channel; identity?: string }, config: Pick<CloudControllerManagerConfig, 'leaderElect'>): Component {
  const { api, cloud } = deps;
  const informers = createInformerFactory({ api, env });
  const events = createEventRecorder(env, { api, component: 'service-controller' });
  const running: RunningController[] = controllers(cloud).map((definition) => runController(definition, { env, api, informers, events }));
  const startWork = (): void => running.forEach((controller) => controller.start());
  const stopWork = async (): Promise<void> => void (await Promise.all(running.map((controller) => controller.stop())));
  const election = createLeaderElection(env, {
    api,
    name: 'cloud-controller-manager',
    identity: deps.identity ?? `cloud-controller-manager_${env.random.uuid()}`,
    onStartedLeading: startWork,
    onStoppedLeading: () => void stopWork(),
  });
  let serving = false;
  return {
    name: 'cloud-controller-manager',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      if (config.leaderElect) election.start();
      else startWork();
      serving = true;
    },
    async stop() {
      serving = false;
      await election.stop();
      await stopWork();
      await events.flush();
      informers.stop();
    },
    ready: () => serving && informers.synced(),
  };
}
