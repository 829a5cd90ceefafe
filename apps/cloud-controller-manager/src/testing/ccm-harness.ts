import { Events, Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, rfc3339, seededRandom, silentLogger } from '@orrery/runtime';
import { onTestFinished } from 'vitest';
import { startCloud } from '../../../cloud/src/testing/cloud-harness.ts';
import { createCloudControllerManager } from '../component.ts';
import type { CloudControllerManagerConfig } from '../config.ts';

type StartCloudOptions = Parameters<typeof startCloud>[0];

/** A running manager on a virtual clock, over an API and a cloud in memory. */
export async function startCcm(config: Partial<CloudControllerManagerConfig> = {}, cloudOptions: StartCloudOptions = {}) {
  const clock = new VirtualClock();
  const env = { clock, random: seededRandom(7), log: silentLogger, metrics: createMetrics() };
  const cloud = await startCloud({ ...cloudOptions, clock });
  const api = createFakeApi(env);
  const manager = createCloudControllerManager(env, { api, cloud: cloud.cloud.channel() }, { leaderElect: false, ...config });
  const started = manager.start();
  await clock.advance(100);
  await started;
  onTestFinished(async () => {
    const stopped = manager.stop();
    await clock.advance(1000);
    await stopped;
  });
  return {
    ...cloud,
    clock,
    api,
    /** In Prometheus' text format. */
    metrics: () => env.metrics.expose(),
    /** A node that its kubelet has registered. */
    async node(name: string, { ready = 'True', spec = {}, metadata = {}, address = `10.240.0.${name.length}` }: { ready?: string; spec?: Node['spec']; metadata?: Node['metadata']; address?: string } = {}): Promise<void> {
      await api.create(Nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, ...metadata }, spec });
      api.setStatus(Nodes, { name }, { addresses: [{ type: 'InternalIP', address }], conditions: [{ type: 'Ready', status: ready, lastTransitionTime: rfc3339(clock.now()) }] });
    },
    nodeNamed: (name: string): Node | undefined => api.objects(Nodes).find((node) => node.metadata?.name === name),
    /** REASON MESSAGE of the events so far. */
    events: (): string[] => api.objects(Events).map(({ reason = '', message = '' }) => `${reason} ${message}`),
  };
}
