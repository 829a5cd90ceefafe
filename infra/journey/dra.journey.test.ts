import { type TestCluster, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFailed } from 'vitest';
import * as story from './dra-story.ts';

// Only there have nodes sockets that a driver of somebody else's can come to.
const isOn = (process.env['ORRERY_LAYOUTS'] ?? 'processes').split(',').includes('processes');
let cluster: TestCluster;
let driver: story.Driver;

beforeAll(async () => {
  if (!isOn) return;
  cluster = await startTestCluster({ layout: 'processes', nodes: 1 });
  driver = await story.startDriver(cluster);
}, 180_000);
afterAll(async () => {
  await driver?.stop();
  await cluster?.destroy();
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster?.logs()}\n`)));

const timeout = 120_000;
it.runIf(isOn)('a pod has a device by DRA, and shows how it is', { timeout }, () => story.podHasTheCard(cluster.kubectl(), driver));
it.runIf(isOn)('how the device is outlives the kubelet that was told', { timeout }, () => story.healthOutlivesTheKubelet(cluster, cluster.kubectl(), driver));
it.runIf(isOn)('with the pod its claim is undone', { timeout }, () => story.cardIsFreeAgain(cluster.kubectl(), driver));
it.runIf(isOn)('what a node told of its devices goes when its kubelet starts', { timeout }, () => story.slicesGoWithTheKubelet(cluster, cluster.kubectl()));
it('has a layout to go through', () => expect(['processes', 'single']).toContain((process.env['ORRERY_LAYOUTS'] ?? 'processes').split(',')[0]));
