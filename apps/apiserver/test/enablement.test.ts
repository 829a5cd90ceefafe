import { Pods } from '@orrery/api';
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
