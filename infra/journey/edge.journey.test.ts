import { Agent, request } from 'node:http';
import { dnsUpstream } from '@orrery/node-io';
import { type Kubectl, type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { type Answer, decode, encode } from 'dns-packet';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { httpGet } from './http.ts';

const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single').split(',').filter((l): l is 'single' | 'processes' => l === 'single' || l === 'processes');
const labels = { app: 'db' };
const container = { name: 'c', image: 'registry.k8s.io/e2e-test-images/agnhost:2.47', args: ['netexec'] };
const list = (...items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
const deployment = (name: string, replicas: number): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ ...container, args: ['netexec', '--http-port=8080'] }] } } },
});
const service = (name: string): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] } });
const ingress = (name: string, backend: string, annotations: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value])) },
  spec: { ingressClassName: 'nginx', rules: [{ host: 'web.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: backend, port: { number: 80 } } } }] } }] },
});

/** Asks without a pause, a few at a time, until it is told to stop; resolves to how often which status came. */
function steadyLoad(address: string): { stop(): Promise<Record<string, number>> } {
  const agent = new Agent({ keepAlive: true });
  const [host = '', port = ''] = address.split(':');
  const counts: Record<string, number> = {};
  let running = true;
  const once = (): Promise<string> =>
    new Promise((resolve) => {
      const call = request({ host, port, agent, path: '/hostname', headers: { host: 'web.test' } }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(String(reply.statusCode)));
        reply.on('error', (error) => resolve(error.message));
      });
      call.on('error', (error) => resolve(error.message));
      call.end();
    });
  const clients = Array.from({ length: 4 }, async () => {
    while (running) {
      const status = await once();
      counts[status] = (counts[status] ?? 0) + 1;
    }
  });
  return {
    async stop() {
      running = false;
      await Promise.all(clients);
      agent.destroy();
      return counts;
    },
  };
}

describe.each(layouts)('the edge in the %s layout', (layout) => {
  let cluster: TestCluster;
  const kubectl = (): Kubectl => cluster.kubectl();
  afterAll(() => cluster?.destroy(), 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  const endpoint = (name: string): string => cluster.state().endpoints[name] ?? '';
  const resolve = async (name: string, type: 'A' | 'SRV' = 'A'): Promise<string> => {
    const reply = decode(Buffer.from(await dnsUpstream([endpoint('dns')], 10_000).query(encode({ type: 'query', id: 1, questions: [{ name, type }] })))) as ReturnType<typeof decode> & { rcode: string };
    const shown = (answer: Answer): string => (answer.type === 'SRV' ? `${answer.data.port} ${answer.data.target}` : String((answer as { data?: unknown }).data));
    return reply.rcode === 'NOERROR' ? (reply.answers ?? []).map(shown).sort().join(' ') : reply.rcode;
  };
  const until = <T>(what: string, check: () => Promise<T | false>): Promise<unknown> => eventually(check, { what, withinMs: 120_000 });

  beforeAll(async () => {
    cluster = await startTestCluster({ layout, nodes: 2, args: ['--extra-config', 'ingress.address=10.240.0.85'] });
    const k = kubectl();
    expect(await resolve('a.example.org')).toBe('REFUSED');
    // It is looked at every half minute: the last story sees what came of it.
    const corefile = await k.ok(['get', 'configmap', 'coredns', '-n', 'kube-system', '-o', 'jsonpath={.data.Corefile}']);
    const data = { Corefile: `${corefile}\nexample.org:53 {\n  hosts NodeHosts\n}\n`, NodeHosts: '192.0.2.5 a.example.org' };
    await k.ok(['patch', 'configmap', 'coredns', '-n', 'kube-system', '--type=merge', '-p', JSON.stringify({ data })]);
  }, 180_000);

  it('names the Pods of a StatefulSet, ready or not as the Service says', { timeout: 300_000 }, async () => {
    const k = kubectl();
    const headless = (name: string, more: object): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP: 'None', selector: labels, ports: [{ name: 'http', port: 8080 }], ...more } });
    const never = { exec: { command: ['false'] } };
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db' }, spec: { serviceName: 'db', replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ ...container, readinessProbe: never }] } } } };
    await k.ok(['apply', '-f', '-'], { input: list(headless('db', { publishNotReadyAddresses: true }), headless('ready-only', {}), set) });
    const podIp = async (): Promise<string> => (await k.ok(['get', 'pod', 'db-0', '-o', 'jsonpath={.status.podIP}'])).trim();
    await until('an address of db-0', async () => (await podIp()) !== '');
    const ip = await podIp();
    await until('its name', async () => (await resolve('db-0.db.default.svc.cluster.local')) === ip);
    expect(await resolve('db.default.svc.cluster.local')).toBe(ip);
    expect(await resolve('_http._tcp.db.default.svc.cluster.local', 'SRV')).toBe('8080 db-0.db.default.svc.cluster.local');
    expect(await resolve('ready-only.default.svc.cluster.local')).toBe('NXDOMAIN');
  });

  it('loses no request while endpoints and settings change, and splits as a canary says', { timeout: 300_000 }, async () => {
    const k = kubectl();
    await k.ok(['apply', '-f', '-'], { input: list(deployment('web', 3), service('web'), ingress('web', 'web'), deployment('next', 1), service('next')) });
    for (const name of ['web', 'next']) await k.ok(['rollout', 'status', `deployment/${name}`, '--timeout=120s']);
    const url = `http://${endpoint('ingress-http')}/hostname`;
    const ask = async (): Promise<string> => (await httpGet(url, { host: 'web.test' })).body;
    await until('the ingress', async () => (await ask()).startsWith('web-'));
    expect((await httpGet(url.replace('hostname', 'clientip'), { host: 'web.test' })).body).toMatch(/^10\.240\.0\.85:/);
    const load = steadyLoad(endpoint('ingress-http'));
    await k.ok(['rollout', 'restart', 'deployment/web']);
    await k.ok(['create', 'namespace', 'ingress-nginx']);
    await k.ok(['create', 'configmap', 'ingress-nginx-controller', '-n', 'ingress-nginx', '--from-literal=proxy-body-size=4m']);
    await k.ok(['rollout', 'status', 'deployment/web', '--timeout=120s']);
    await k.ok(['annotate', 'ingress', 'web', 'nginx.ingress.kubernetes.io/enable-cors=true']);
    await k.ok(['scale', 'deployment/web', '--replicas=1']);
    await k.ok(['patch', 'configmap', 'ingress-nginx-controller', '-n', 'ingress-nginx', '--type=merge', '-p', '{"data":{"hide-headers":"date"}}']);
    await k.ok(['rollout', 'status', 'deployment/web', '--timeout=120s']);
    const counts = await load.stop();
    expect(Object.keys(counts)).toEqual(['200']);
    await k.ok(['apply', '-f', '-'], { input: list(ingress('canary', 'next', { canary: 'true', 'canary-weight': '30' })) });
    await until('the canary', async () => (await ask()).startsWith('next-'));
    let canaries = 0;
    for (let i = 0; i < 400; i++) if ((await ask()).startsWith('next-')) canaries++;
    // Five standard deviations of a split of 400 at 30 %.
    expect(Math.abs(canaries - 120)).toBeLessThan(46);
    expect(await k.ok(['get', 'ingress', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'])).toBe('127.0.0.1');
  });

  it('shows Pods who asks a load balancer that prefers their node', { timeout: 120_000 }, async () => {
    const k = kubectl();
    const policies = { local: 'Local', cluster: 'Cluster' };
    const balanced = Object.entries(policies).map(([name, externalTrafficPolicy]) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { type: 'LoadBalancer', externalTrafficPolicy, selector: { app: 'asked' }, ports: [{ port: 80, targetPort: 8080 }] } }));
    await k.ok(['apply', '-f', '-'], { input: list(deployment('asked', 1), ...balanced) });
    await k.ok(['rollout', 'status', 'deployment/asked', '--timeout=60s']);
    const client = async (name: string): Promise<string> => {
      const at = await k.ok(['get', 'service', name, '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}:{.metadata.annotations.orrery\\.dev/host-endpoints}']);
      const [, ip = '', elsewhere = ''] = /^([\d.]+):(?:80=)?(.*)$/.exec(at) ?? [];
      return ip && (await httpGet(`http://${elsewhere || ip}/clientip`)).body;
    };
    const seen = async (name: string): Promise<string> => String(await eventually(() => client(name).catch(() => false as const), { what: `the load balancer of ${name}`, withinMs: 60_000 }));
    expect(await seen('local')).toMatch(/^198\.18\.0\.1:\d+$/);
    expect(await seen('cluster')).toMatch(/^10\.240\.0\.1[12]:\d+$/);
  });

  it('has followed the ConfigMap of the Corefile', { timeout: 300_000 }, async () => {
    await until('the new zone', async () => (await resolve('a.example.org')) === '192.0.2.5');
    expect(await resolve('kubernetes.default.svc.cluster.local')).toBe('10.96.0.1');
  });
});
