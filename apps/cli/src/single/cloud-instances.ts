import { type Instance, InstancesDefinition } from '@orrery/proto/cloud';
import { type Channel, createClient } from '@orrery/rpc';
import type { Component, Env, Timer } from '@orrery/runtime';
import type { InstanceHost } from './nodes.ts';

const periodMs = 1_000;
/** More than any machine has. */
const timeoutMs = 10_000;

/** Instances of the emulated cloud as nodes of this process: one that runs is switched on, any other off. The Node is for the cloud-controller-manager to delete. */
export function createCloudInstances(env: Env, { cloud, host }: { cloud: Channel; host: InstanceHost }): Component {
  const instances = createClient(InstancesDefinition, cloud);
  const refused = new Map<string, string>();
  let timer: Timer | undefined;
  let busy: Promise<void> | undefined;

  const start = async ({ name = '', id = '', privateIp = '', privateIpv6 = '', cpus = 1, memoryBytes = 0, labels = {} }: Instance): Promise<void> => {
    try {
      await host.start({ name, ips: [privateIp, ...(privateIpv6 ? [privateIpv6] : [])], cpu: String(cpus), memory: String(memoryBytes), labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`) });
      env.log.info('instance has become a node', { instance: id, node: name });
    } catch (error) {
      const { message } = error as Error;
      if (refused.get(id) !== message) env.log.warn('instance does not become a node', { instance: id, node: name, error: message });
      refused.set(id, message);
    }
  };
  const look = async (): Promise<void> => {
    const { instances: all = [] } = await instances.list({}, { timeoutMs });
    const wanted = new Map(all.filter(({ state }) => state === 'RUNNING').map((one) => [one.name ?? '', one]));
    const running = new Set(host.list());
    await Promise.all([...running].filter((name) => !wanted.has(name)).map((name) => host.stop(name)));
    await Promise.all([...wanted].filter(([name]) => !running.has(name)).map(([, instance]) => start(instance)));
  };
  const tick = (): void => {
    busy ??= look()
      .catch((error: unknown) => env.log.debug('instances are not known', { error }))
      .finally(() => void (busy = undefined));
  };
  return {
    name: 'cloud-instances',
    async start() {
      timer = env.clock.every(periodMs, tick);
    },
    async stop() {
      timer?.cancel();
      await busy;
    },
    ready: () => timer !== undefined,
  };
}
