import { type Kubectl, type TestCluster, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import * as disks from './cloud-disk-story.ts';
import * as story from './volumes-story.ts';

const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single,processes').split(',').filter((l): l is 'single' | 'processes' => l === 'single' || l === 'processes');

it('has a layout to go through', () => expect(layouts.length).toBeGreaterThan(0));

describe.each(layouts)('volumes in the %s layout', (layout) => {
  let cluster: TestCluster;
  const kubectl = (): Kubectl => cluster.kubectl();
  beforeAll(async () => void (cluster = await startTestCluster({ layout, nodes: 3 })), 180_000);
  afterAll(() => cluster?.destroy(), 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  const timeout = 300_000;
  it('a StatefulSet has data of its own for each replica', { timeout }, () => story.statefulSet(kubectl()));
  it('data outlive pods', { timeout }, () => story.dataOutlivesPods(kubectl()));
  it('a disk of the cloud follows its pod to another node', { timeout }, () => disks.diskFollowsItsPod(kubectl()));
  it('data outlive a kill -9 of the cluster', { timeout }, async () => {
    await cluster.kill9();
    await cluster.up();
    await story.dataOutlivesTheCluster(kubectl());
    await disks.diskOutlivesTheCluster(kubectl());
  });
  it('a disk without a file system', { timeout }, () => disks.diskWithoutFileSystem(kubectl()));
  it('a disk is copied by snapshot and clone', { timeout }, () => disks.diskIsCopied(kubectl()));
  it('a claim grows', { timeout }, () => story.resize(kubectl()));
  it('a claim in use is protected, and takes its data along when it goes', { timeout }, () => story.protection(cluster, kubectl()));
  it('a StatefulSet deletes its claims if told to', { timeout }, () => story.retention(kubectl()));
  it('volumes made by hand are bound, released and bound again', { timeout }, () => story.handMade(kubectl()));
  it('everything goes', { timeout }, () => story.everythingGoes(cluster, kubectl()));
});
