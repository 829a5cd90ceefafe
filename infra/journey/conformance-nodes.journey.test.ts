import { type Kubectl, type TestCluster, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, it, onTestFailed } from 'vitest';
import { sampleApiserver } from './conformance-aggregator.ts';
import * as network from './conformance-network.ts';
import * as node from './conformance-node.ts';
import { networkPolicies } from './conformance-policy.ts';
import * as storage from './conformance-storage.ts';
import * as webhooks from './conformance-webhooks.ts';

/** What upstream's conformance suite runs on nodes, family by family: the same images, commands and outputs. */
describe('conformance of nodes', () => {
  let cluster: TestCluster;
  const kubectl = (): Kubectl => cluster.kubectl();
  beforeAll(async () => void (cluster = await startTestCluster({ layout: 'single', nodes: 2 })), 180_000);
  afterAll(() => cluster?.destroy(), 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  const timeout = 300_000;
  it('config maps, secrets and their layout', { timeout }, () => storage.keyedVolumes(kubectl()));
  it('volumes follow their objects', { timeout }, () => storage.updates(kubectl()));
  it('directories: types, modes, owners, sub-paths', { timeout }, () => storage.directories(kubectl()));
  it('how containers end', { timeout }, () => node.endings(kubectl()));
  it('who containers are', { timeout }, () => node.security(kubectl()));
  it('probes, hooks, sidecars', { timeout }, () => node.lifecycle(kubectl()));
  it('resize in place', { timeout }, () => node.resize(kubectl()));
  it('names resolve', { timeout }, () => network.names(kubectl()));
  it('pods and services reach one another', { timeout }, () => network.reachability(kubectl()));
  it('network policies', { timeout: 900_000 }, () => networkPolicies(kubectl()));
  it('proxies and the guestbook', { timeout }, () => network.proxies(kubectl()));
  it('tokens and their issuer', { timeout }, () => network.identity(kubectl()));
  it('another API server behind the aggregator', { timeout }, () => sampleApiserver(kubectl()));
  it('admission webhooks', { timeout }, () => webhooks.admission(kubectl()));
  it('conversion webhooks', { timeout }, () => webhooks.conversion(kubectl()));
});
