import { ConfigMaps, EndpointSlices, Nodes } from '@orrery/api';
import { createFakeApi } from '@orrery/client/testing';
import { resolveConfig } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { describe, expect, it } from 'vitest';
import { addressAfter, coreDnsSchema, createCoreDns, createScaledDns } from '../component.ts';
import { testEnv } from '../testing/ask.ts';
import { parseScaling, replicasFor } from './replicas.ts';

const linear = '{"coresPerReplica":256,"nodesPerReplica":16,"min":1,"max":10,"preventSinglePointOfFailure":true}';
const ladder = '{"coresToReplicas":[[1,1],[64,3],[512,5]],"nodesToReplicas":[[1,1],[2,2]]}';

describe('how many', () => {
  it.each([
    [{ linear }, { nodes: 1, cores: 4 }, 1],
    [{ linear }, { nodes: 2, cores: 4 }, 2],
    [{ linear }, { nodes: 33, cores: 132 }, 3],
    [{ linear }, { nodes: 4, cores: 1025 }, 5],
    [{ linear }, { nodes: 5000, cores: 1 }, 10],
    [{ linear: '{"nodesPerReplica":8}' }, { nodes: 0, cores: 0 }, 1],
    [{ ladder }, { nodes: 1, cores: 1 }, 1],
    [{ ladder }, { nodes: 2, cores: 1 }, 2],
    [{ ladder }, { nodes: 2, cores: 64 }, 3],
    [{ ladder }, { nodes: 2, cores: 600 }, 5],
    [{ ladder: '{"nodesToReplicas":[[0,0],[9,1]]}' }, { nodes: 8, cores: 600 }, 0],
  ])('%j at %j: %i', (data, size, replicas) => {
    expect(replicasFor(parseScaling(data as Record<string, string>), size)).toBe(replicas);
  });

  it.each([
    [{}, 'there must be one of the keys linear and ladder'],
    [{ linear, ladder }, 'there must be one of the keys linear and ladder'],
    [{ linear: '{' }, 'linear: '],
    [{ linear: '{"perNode":1}' }, 'linear: unknown field "perNode"'],
    [{ linear: '{"min":1}' }, 'linear: one of coresPerReplica and nodesPerReplica must be set'],
    [{ linear: '{"nodesPerReplica":"2"}' }, 'nodesPerReplica must be a number that is not negative'],
    [{ linear: '{"nodesPerReplica":2,"min":3,"max":2}' }, 'linear: max is less than min'],
    [{ ladder: '{"nodesToReplicas":[[1]]}' }, 'nodesToReplicas must be a list of pairs of numbers'],
  ])('refuses %j', (data, message) => {
    expect(() => parseScaling(data as Record<string, string>)).toThrow(message);
  });
});

it('follows the ConfigMap and the nodes; each server has a slice of its own', async () => {
  const env = testEnv();
  const api = createFakeApi({ clock: env.clock, random: env.random });
  const addNode = (name: string): unknown => api.seed(Nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { capacity: { cpu: '4' } } });
  addNode('a');
  addNode('b');
  const infra = createFabric(env).addSwitch({ node: 'infra', nodeIp: '10.240.0.2' });
  const server = (n: number): ReturnType<typeof createCoreDns> => {
    const { stack, detach } = infra.attach({ ips: [addressAfter('10.240.0.53', n)] });
    const one = createCoreDns(env, { api, net: stack, replica: `r${n}` }, resolveConfig(coreDnsSchema, [{}]));
    return { ...one, stop: () => one.stop().then(detach) };
  };
  const dns = createScaledDns(env, { api, first: server(0), another: server });
  const addresses = (): string[] => api.objects(EndpointSlices).flatMap(({ endpoints }) => endpoints?.flatMap((e) => e.addresses) ?? []).sort();
  const settled = async (wanted: string[]): Promise<void> => {
    for (let i = 0; i < 50 && addresses().length !== wanted.length; i++) await env.clock.advance(100);
    expect(addresses()).toEqual(wanted);
  };
  const scaling = (data: Record<string, string>): Promise<unknown> => {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'dns-autoscaler', namespace: 'kube-system' }, data };
    return api.find(ConfigMaps, 'dns-autoscaler', 'kube-system') ? api.update(ConfigMaps, map) : api.create(ConfigMaps, map);
  };
  await dns.start();
  await settled(['10.240.0.53']);
  await scaling({ linear: '{"nodesPerReplica":1}' });
  await settled(['10.240.0.53', '10.240.0.54']);
  addNode('c');
  await settled(['10.240.0.53', '10.240.0.54', '10.240.0.55']);
  await scaling({ linear: 'nonsense' });
  await env.clock.advance(1_000);
  await settled(['10.240.0.53', '10.240.0.54', '10.240.0.55']);
  await scaling({ ladder: '{"nodesToReplicas":[[1,1]]}' });
  await settled(['10.240.0.53']);
  await scaling({ linear: '{"nodesPerReplica":1}' });
  await settled(['10.240.0.53', '10.240.0.54', '10.240.0.55']);
  await dns.stop();
  await settled([]);
});
