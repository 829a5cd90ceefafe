import { EndpointSlices, Services } from '@orrery/api';
import { describe, expect, it } from 'vitest';
import { FakeCluster } from '../../testing/fake-cluster.ts';
import { createCaller } from './caller.ts';

const service = { namespace: 'ns', name: 'hook', path: '/check' };

function setup(): { cluster: FakeCluster; dialed: unknown[]; call: (port?: number, path?: string) => Promise<unknown> } {
  const cluster = new FakeCluster();
  const dialed: unknown[] = [];
  const caller = createCaller({
    env: cluster.env,
    read: cluster.read,
    clusterNet: {
      dial: (to) => {
        dialed.push(to);
        return new Promise(() => undefined);
      },
    },
  });
  return { cluster, dialed, call: (port, path) => caller({ config: { service: { ...service, ...(port ? { port } : {}), ...(path === undefined ? {} : { path }) } }, timeoutSeconds: 5, body: {} }) };
}

function publish(cluster: FakeCluster, conditions: object): void {
  cluster.put(Services, { metadata: { name: 'hook', namespace: 'ns' }, spec: { ports: [{ name: 'web', port: 443, targetPort: 8443 }] } });
  cluster.put(EndpointSlices, {
    metadata: { name: 'hook-1', namespace: 'ns', labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4', ports: [{ name: 'web', port: 8443 }], endpoints: [{ addresses: ['10.244.0.9'], conditions }],
  });
}

describe('calling a service', () => {
  it('tells what is missing', async () => {
    const { cluster, call } = setup();
    const post = 'Post "https://hook.ns.svc:443/check?timeout=5s": ';
    await expect(call()).rejects.toThrow(`${post}service "hook" not found`);
    publish(cluster, { ready: false });
    await expect(call()).rejects.toThrow(`${post}no endpoints available for service "hook"`);
    await expect(call(80)).rejects.toThrow('no service port 80 found for service "hook"');
  });

  it('writes the path as Go joins it', async () => {
    const { call } = setup();
    await expect(call(80, '')).rejects.toThrow('Post "https://hook.ns.svc:80/?timeout=5s"');
    await expect(call(80, '/a//b/../c/')).rejects.toThrow('Post "https://hook.ns.svc:80/a/c?timeout=5s"');
  });

  it('dials a ready endpoint in the network of the cluster and gives up after its time', async () => {
    const { cluster, call, dialed } = setup();
    publish(cluster, { ready: true });
    const failure = call().catch((error: Error) => error.message);
    await cluster.clock.advance(5_000);
    expect(await failure).toBe('Post "https://hook.ns.svc:443/check?timeout=5s": context deadline exceeded');
    expect(dialed).toEqual([{ ip: '10.244.0.9', port: 8443 }]);
  });
});
