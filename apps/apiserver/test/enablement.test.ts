import { Leases, Nodes, Pods, StatefulSets } from '@orrery/api';
import { describe, expect, it } from 'vitest';
import { plugins } from '../src/plugins.ts';
import { startTestServer } from './test-server.ts';

const pod = { metadata: { name: 'x', namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'i' }] } };

describe('APIs that are turned off', () => {
  it.each([
    ['policy/v1=false,node.k8s.io/v1=false'],
    ['scheduling.k8s.io/v1=false,coordination.k8s.io/v1=false'],
    ['admissionregistration.k8s.io/v1=false,networking.k8s.io/v1=false'],
    ['flowcontrol.apiserver.k8s.io/v1=false,rbac.authorization.k8s.io/v1=false'],
    ['storage.k8s.io/v1=false,discovery.k8s.io/v1=false'],
    ['apps/v1=false,batch/v1=false,certificates.k8s.io/v1=false,resource.k8s.io/v1=false'],
    ['apiregistration.k8s.io/v1=false,apiextensions.k8s.io/v1=false'],
    ['api/all=false,api/v1=true'],
  ])('%s: the server comes up and serves the rest', async (settings) => {
    const t = await startTestServer({ runtimeConfig: settings.split(','), disableAdmissionPlugins: ['ServiceAccount'] }, { plugins });
    const as = t.server.client({ username: 'admin', groups: ['system:masters', 'system:authenticated'] });
    try {
      expect((await fetch(`${t.url}/readyz`)).status).toBe(200);
      const [off = ''] = settings.split('=');
      if (off !== 'api/all') expect((await fetch(`${t.url}/apis/${off}`)).status).not.toBe(200);
      const created = await as.create(Pods, pod).catch((error: Error) => error.message);
      expect(created).toMatchObject({ metadata: { name: 'x' } });
    } finally {
      await t.stop();
    }
  });
});

describe('feature gates', () => {
  it.each([
    ['on', []],
    ['off', ['WatchList=false', 'APIServerIdentity=false', 'StorageVersionHash=false', 'PodTopologyLabelsAdmission=false']],
    ['off', ['AllBeta=false']],
  ])('%s with %j', async (state, featureGates) => {
    const isOn = state === 'on';
    const t = await startTestServer({ featureGates, authorizationMode: 'AlwaysAllow', disableAdmissionPlugins: ['ServiceAccount'] }, { plugins });
    try {
      const streamed = await fetch(`${t.url}/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`);
      const text = await streamed.text();
      expect(streamed.status).toBe(isOn ? 200 : 422);
      if (!isOn) expect(text).toContain('ListOptions.meta.k8s.io \\"\\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled');
      const plain = await (await fetch(`${t.url}/api/v1/namespaces?watch=true&timeoutSeconds=1`)).text();
      expect(plain.split('\n').filter((line) => line.includes('"type":"ADDED"')).length).toBeGreaterThan(3);
      const admin = t.server.client({ username: 'admin', groups: ['system:masters', 'system:authenticated'] });
      expect((await admin.list(Leases, { namespace: 'kube-system' })).items.some(({ metadata }) => metadata?.name?.startsWith('apiserver-'))).toBe(isOn);
      const { resources } = (await (await fetch(`${t.url}/api/v1`)).json()) as { resources: { storageVersionHash?: string }[] };
      expect(resources.some(({ storageVersionHash }) => storageVersionHash !== undefined)).toBe(isOn);
      await admin.create(Nodes, { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z' } } });
      await admin.create(Pods, pod);
      await admin.createSubresource(Pods, { namespace: 'default', name: 'x' }, 'binding', { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'x' }, target: { kind: 'Node', name: 'n' } });
      expect((await admin.get(Pods, { namespace: 'default', name: 'x' })).metadata?.labels?.['topology.kubernetes.io/zone']).toBe(isOn ? 'z' : undefined);
    } finally {
      await t.stop();
    }
  });

  it.each([
    ['off', [], undefined],
    ['on', ['MaxUnavailableStatefulSet=true'], 2],
  ])('maxUnavailable of a stateful set with its gate %s', async (_, featureGates, expected) => {
    const t = await startTestServer({ featureGates, authorizationMode: 'AlwaysAllow', disableAdmissionPlugins: ['ServiceAccount'] }, { plugins });
    try {
      const admin = t.server.client({ username: 'admin', groups: ['system:masters', 'system:authenticated'] });
      const { containers } = pod.spec;
      const spec = { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers } }, updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } };
      const made = await admin.create(StatefulSets, { metadata: { name: 's', namespace: 'default' }, spec });
      expect(made.spec?.updateStrategy?.rollingUpdate?.maxUnavailable).toBe(expected);
      const changed = await admin.update(StatefulSets, { ...made, spec: { ...made.spec, ...spec } });
      expect(changed.spec?.updateStrategy?.rollingUpdate?.maxUnavailable).toBe(expected);
    } finally {
      await t.stop();
    }
  });
});
