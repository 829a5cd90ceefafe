import { networkInterfaces } from 'node:os';
import { type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { body } from './http.ts';

const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single').split(',').filter((l): l is 'single' | 'processes' => l === 'single' || l === 'processes');
const container = { name: 'c', image: 'registry.k8s.io/e2e-test-images/agnhost:2.47', args: ['netexec', '--http-port=8080'] };
const labels = { app: 'web' };
const service = (name: string, nodePort: number, spec: object): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort }], ...spec } });
const items = [
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels }, spec: { containers: [container] } },
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client' }, spec: { containers: [container] } },
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'host' }, spec: { hostNetwork: true, containers: [{ ...container, args: ['netexec', '--http-port=9090'] }] } },
  service('dual', 30080, { ipFamilyPolicy: 'RequireDualStack' }),
  service('four', 30084, { ipFamilies: ['IPv4'] }),
  service('six', 30086, { ipFamilies: ['IPv6'], type: 'LoadBalancer' }),
];

describe.each(layouts)('a dual-stack cluster in the %s layout', (layout) => {
  let cluster: TestCluster;

  beforeAll(async () => {
    const ranges = ['apiserver.service-cluster-ip-range=10.96.0.0/16,fd00:96::/112', 'controller-manager.cluster-cidr=10.244.0.0/16,fd00:244::/48'];
    cluster = await startTestCluster({ layout, nodes: 2, args: ranges.flatMap((setting) => ['--extra-config', setting]) });
  }, 60_000);
  afterAll(() => cluster?.destroy(), 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  it('has nodes of two addresses, whose node ports answer at that of each family of their Service', { timeout: 120_000 }, async () => {
    const k = cluster.kubectl();
    await k.ok(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
    await k.ok(['wait', '--for=condition=Ready', 'pod/web', 'pod/client', 'pod/host', '--timeout=60s']);
    expect(await k.ok(['get', 'nodes', '-o', 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}'])).toBe('10.240.0.11 fd00:10:240::b 10.240.0.12 fd00:10:240::c');
    expect(await k.ok(['get', 'pod', 'web', '-o', 'jsonpath={.status.hostIPs[*].ip}'])).toMatch(/^10\.240\.0\.1[12] fd00:10:240::[bc]$/);

    const ask = (address: string): Promise<string> => k.ok(['exec', 'client', '--', 'wget', '-qO-', '-T', '3', `http://${address}/hostname`]);
    for (const at of ['10.240.0.11:30080', '10.240.0.12:30084', '[fd00:10:240::b]:30080', '[fd00:10:240::c]:30080', '[fd00:10:240::c]:30086']) {
      expect(await eventually(() => ask(at), { what: `${at} answers` }), at).toBe('web');
    }
    for (const at of ['10.240.0.11:30086', '[fd00:10:240::b]:30084']) await expect(ask(at)).rejects.toThrow(/refused/);
    const [, host = ''] = (await k.ok(['get', 'pod', 'host', '-o', 'jsonpath={.status.podIPs[*].ip}'])).split(' ');
    expect(await ask(`[${host}]:9090`)).toMatch(/^node-[12]$/);
    // This machine has every Service's port at 127.0.0.1, those of IPv6 at its IPv6 loopback, and load balancers go to nodes by the family of theirs.
    for (const port of [30080, 30084, 30086]) expect(await body(`http://127.0.0.1:${port}/hostname`)).toBe('web');
    if (Object.values(networkInterfaces()).flat().some((own) => own?.address === '::1')) {
      for (const port of [30080, 30086]) expect(await body(`http://[::1]:${port}/hostname`)).toBe('web');
      await expect(body('http://[::1]:30084/hostname')).rejects.toThrow(/ECONNREFUSED/);
    }
    const balancer = await eventually(async () => (await k.ok(['get', 'service', 'six', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'])) || false, { what: 'a load balancer' });
    expect(await eventually(() => body(`http://${balancer}/hostname`), { what: 'the load balancer answers' })).toBe('web');
  });

  it('has instances of the cloud that are nodes of two addresses, too', { timeout: 120_000 }, async () => {
    const k = cluster.kubectl();
    expect(await cluster.orrery('cloud', '--data-dir', cluster.dataDir, 'instance', 'create', 'vm')).toMatchObject({ code: 0 });
    await eventually(() => k.ok(['get', 'node', 'vm']), { what: 'the node' });
    await k.ok(['wait', '--for=condition=Ready', 'node/vm', '--timeout=60s']);
    const addresses = (): Promise<string> => k.ok(['get', 'node', 'vm', '-o', 'jsonpath={.spec.providerID} {.status.addresses[?(@.type=="InternalIP")].address}']);
    expect(await eventually(async () => ((text) => text.startsWith('orrery:') && text)(await addresses()), { what: 'the cloud to tell' })).toMatch(/ 10\.241\.0\.1 fd00:10:241::1$/);
    const ask = (address: string): Promise<string> => k.ok(['exec', 'client', '--', 'wget', '-qO-', '-T', '3', `http://${address}/hostname`]);
    for (const at of ['10.241.0.1:30080', '[fd00:10:241::1]:30080', '[fd00:10:241::1]:30086']) expect(await eventually(() => ask(at), { what: `${at} answers` }), at).toBe('web');
    await expect(ask('[fd00:10:241::1]:30084')).rejects.toThrow(/refused/);
  });
});
