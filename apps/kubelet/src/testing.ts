import { Nodes, Pods } from '@orrery/api';
import type { Container, Pod, PodSpec } from '@orrery/api/types';
import { createFakeApi, type FakeApi } from '@orrery/client/testing';
import { MemoryLogs, MemoryVolumeHost } from '@orrery/cri';
import { FakeRuntime, type FakeRuntimeOptions } from '@orrery/cri/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { type Kubelet, type KubeletDeps, createKubelet } from './component.ts';
import { type KubeletConfig, kubeletSchema } from './config.ts';

export interface Fixture {
  readonly clock: VirtualClock;
  readonly api: FakeApi;
  readonly cri: FakeRuntime;
  readonly host: MemoryVolumeHost;
  readonly logs: MemoryLogs;
  readonly env: { clock: VirtualClock; random: ReturnType<typeof seededRandom>; log: typeof silentLogger; metrics: ReturnType<typeof createMetrics> };
  readonly config: KubeletConfig;
  kubelet: Kubelet;
  /** A kubelet like the first, on the same node: for restarts. */
  again(): Kubelet;
  pod(name: string): Pod;
  create(name: string, spec: Partial<PodSpec>): Promise<Pod>;
  /** Reasons and messages of Events about pods, in order. */
  events(): string[];
}

export interface FixtureOptions {
  readonly script?: FakeRuntimeOptions['script'];
  readonly pull?: FakeRuntimeOptions['pull'];
  readonly config?: Record<string, unknown>;
  readonly deps?: Partial<KubeletDeps>;
}

/** A kubelet over a fake API server and a fake runtime on a virtual clock, for tests. Started by the test. */
export function fixture(options: FixtureOptions = {}): Fixture {
  const clock = new VirtualClock({ drain: () => new Promise((resolve) => setImmediate(resolve)) });
  const random = seededRandom(7);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  const cri = new FakeRuntime({ clock, ...(options.script ? { script: options.script } : {}), ...(options.pull ? { pull: options.pull } : {}) });
  const host = new MemoryVolumeHost(() => clock.now());
  const logs = new MemoryLogs();
  const config = resolveConfig(kubeletSchema, [{ nodeName: 'node-1', nodeIps: ['10.240.0.11'], podCidr: '10.244.1.0/24', ...options.config }]);
  const again = (): Kubelet => createKubelet(env, { api, cri: cri.channel(), volumes: host, logs, ...options.deps }, config);
  const eventsResource = { group: '', version: 'v1', resource: 'events', kind: 'Event', namespaced: true };
  return {
    clock,
    api,
    cri,
    host,
    logs,
    env,
    config,
    kubelet: again(),
    again,
    pod: (name) => api.find(Pods, name, 'default') as Pod,
    create: (name, spec) =>
      api.create(Pods, {
        metadata: { name, namespace: 'default', labels: { app: name } },
        spec: { nodeName: 'node-1', restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [], ...spec },
      }),
    events: () =>
      api.objects(eventsResource).map((object) => {
        const { reason, message } = object as unknown as { reason: string; message: string };
        return `${reason}: ${message}`;
      }),
  };
}

/** A container with the least that the API server would leave in it. */
export function container(name: string, more: Partial<Container> = {}): Container {
  return { name, image: `${name}:1`, imagePullPolicy: 'IfNotPresent', ...more };
}

export { Nodes, Pods };
