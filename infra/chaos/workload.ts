import { Deployments, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { eventually } from '@orrery/testkit';
import { within } from './api.ts';

/** A Deployment by whose changes a cluster shows that all of it works: API, controllers, scheduler, kubelets. */
export interface Workload {
  /** Changes the number of replicas and waits until so many are ready, and no more are there; with the milliseconds that took. */
  rescale(withinMs: number): Promise<number>;
  pods(): Promise<readonly Pod[]>;
}

export interface WorkloadOptions {
  readonly api: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** It alternates between these. */
  readonly replicas: readonly [number, number];
  /** How long its Pods stay on a node that is away. */
  readonly tolerationSeconds?: number;
}

function deployment({ namespace, name, replicas, tolerationSeconds = 300 }: WorkloadOptions) {
  const labels = { app: name };
  const away = ['not-ready', 'unreachable'].map((state) => ({ key: `node.kubernetes.io/${state}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
  const spec = { terminationGracePeriodSeconds: 1, tolerations: away, containers: [{ name: 'web', image: 'nginx:1.27', resources: { requests: { cpu: '10m' } } }] };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace }, spec: { replicas: replicas[0], selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } };
}

export async function createWorkload(options: WorkloadOptions): Promise<Workload> {
  const { api, namespace, name, replicas } = options;
  await within(api.create(Deployments, deployment(options)));
  let wanted: number = replicas[0];
  const pods = async (): Promise<readonly Pod[]> => (await within(api.list(Pods, { namespace, labelSelector: `app=${name}` }))).items;
  const isSettled = async (): Promise<boolean> => {
    const { metadata, status } = await within(api.get(Deployments, { namespace, name }));
    return status?.observedGeneration === metadata?.generation && status?.readyReplicas === wanted && status.replicas === wanted && status.updatedReplicas === wanted;
  };
  const settled = async (withinMs: number): Promise<void> => void (await eventually(isSettled, { what: `${wanted} replicas of ${name} are ready`, withinMs, everyMs: 100 }));
  await settled(120_000);
  return {
    pods,
    async rescale(withinMs) {
      const from = performance.now();
      wanted = wanted === replicas[0] ? replicas[1] : replicas[0];
      // A merge patch says the same however often it is sent.
      await eventually(() => within(api.patch(Deployments, { namespace, name }, { spec: { replicas: wanted } }, { type: 'application/merge-patch+json' })), { what: `scaling ${name}`, withinMs, everyMs: 200 });
      await settled(withinMs - (performance.now() - from));
      return performance.now() - from;
    },
  };
}
