import { randomUUID } from 'node:crypto';
import { type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, onTestFailed } from 'vitest';
import { type Rest, restClient } from './rest.ts';

export interface Target {
  readonly rest: Rest;
  /** A namespace of this test alone, whose default ServiceAccount is there. */
  readonly namespace: string;
  /** `/api/v1/namespaces/NS/…` or `/apis/GROUP/VERSION/namespaces/NS/…`. */
  path(resource: string, group?: string): string;
  /** Of our own cluster; undefined when ORRERY_BEHAVIOURS_KUBECONFIG names another one. */
  readonly cluster: TestCluster | undefined;
}

/** Set to hold another cluster to the same behaviours. */
const other = process.env['ORRERY_BEHAVIOURS_KUBECONFIG'];

/** For one file of tests: a cluster, and a new namespace for each test. Read it inside tests only. */
export function useTarget(options: { nodes?: number; args?: readonly string[] } = {}): Target {
  let cluster: TestCluster | undefined;
  let rest: Rest;
  let namespace = '';
  const made: string[] = [];
  beforeAll(async () => {
    if (!other) cluster = await startTestCluster({ layout: 'single', nodes: options.nodes ?? 1, args: options.args ?? [] });
    rest = restClient(other ?? (cluster?.kubeconfig as string));
  }, 60_000);
  beforeEach(async () => {
    namespace = `b-${randomUUID().slice(0, 8)}`;
    made.push(namespace);
    await rest.ok('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } });
    await eventually(() => rest.ok('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`), { everyMs: 10 });
    onTestFailed(() => void process.stderr.write(`${cluster?.logs() ?? ''}\n`));
  }, 30_000);
  afterAll(async () => {
    if (other) for (const name of made) await rest.call('DELETE', `/api/v1/namespaces/${name}`);
    rest?.close();
    await cluster?.destroy();
  }, 60_000);
  return {
    get rest() {
      return rest;
    },
    get namespace() {
      return namespace;
    },
    get cluster() {
      return cluster;
    },
    path: (resource, group = 'v1') => `/${group === 'v1' ? 'api' : 'apis'}/${group}/namespaces/${namespace}/${resource}`,
  };
}

/** What `check` answers as soon as that is something: not undefined, false or 0. */
export function until<T>(check: () => Promise<T> | T): Promise<Exclude<NonNullable<T>, false>> {
  return eventually(async () => ((await check()) || false) as Exclude<NonNullable<T>, false> | false, { everyMs: 20, withinMs: 20_000 }) as Promise<Exclude<NonNullable<T>, false>>;
}

export const sleepPod = (name: string, more: { metadata?: object; spec?: object; container?: object } = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...more.metadata },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10', ...more.container }], ...more.spec },
});
