import { afterAll, describe, expect, it } from 'vitest';
import { type TwoNodes, createTwoNodes, whyNoLab } from './index.ts';

const why = await whyNoLab();

describe.skipIf(why)(`pod networks in network namespaces${why ? ` (${why})` : ''}`, () => {
  const open: TwoNodes[] = [];
  afterAll(async () => {
    for (const lab of open) await lab.close();
  });

  it.each(['host-gw', 'vxlan'] as const)('%s carries pods to pods of the same and of another node, with their own addresses', { timeout: 180_000 }, async (network) => {
    const lab = await createTwoNodes({ network });
    open.push(lab);
    const [nodeA, nodeB] = lab.nodes;
    const [one, two, far] = [await nodeA.pod(2), await nodeA.pod(3), await nodeB.pod(2)];
    for (const [name, pod] of [['two', two], ['far', far]] as const) await pod.namespace.serve({ name, protocol: 'TCP', port: 80 });
    expect(await one.namespace.ask({ ip: two.ips[0], port: 80, protocol: 'TCP' })).toBe(`two ${one.ips[0]}`);
    expect(await one.namespace.ask({ ip: far.ips[0], port: 80, protocol: 'TCP' })).toBe(`far ${one.ips[0]}`);
    expect(await one.namespace.ask({ ip: far.ips[1], port: 80, protocol: 'TCP' })).toBe(`far ${one.ips[1]}`);
    expect(await nodeA.namespace.ask({ ip: far.ips[0], port: 80, protocol: 'TCP' })).toMatch(/^far 10\./);
    await expect(one.namespace.ask({ ip: far.ips[0], port: 81, protocol: 'TCP' })).rejects.toThrow('ECONNREFUSED');
    const links = await nodeA.namespace.shell.run('ip', ['-brief', 'link']);
    expect(links.includes('flannel.1')).toBe(network === 'vxlan');
  });
});
