import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io';
import { type TestCluster, eventually, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { body, httpsGet } from './http.ts';
import * as shop from './shop.ts';

/** What starts a cluster of each; `threads` is one process with two threads. */
const flags = { single: { layout: 'single', args: [] }, threads: { layout: 'single', args: ['--threads', '2'] }, processes: { layout: 'processes', args: [] } } as const;
const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single,threads,processes').split(',').filter((l): l is keyof typeof flags => l in flags);
const programs = findKubectls();

const home = mkdtempSync(join(tmpdir(), 'orrery-layouts-'));
const kubeletFile = join(home, 'kubelet.yaml');
writeFileSync(kubeletFile, 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nenableSystemLogQuery: true\nnodeLeaseDurationSeconds: 45\nport: 9999\nreadOnlyPort: 10255\n');
const [certFile, keyFile] = [join(home, 'default.crt'), join(home, 'default.key')];
const pki = ensurePki(undefined);
const anyHost = pki.servingCert('ingress', { subject: { commonName: 'any host' }, altNames: { dnsNames: ['unknown.test'] } });
writeFileSync(certFile, anyHost.cert);
writeFileSync(keyFile, anyHost.key);
afterAll(() => rmSync(home, { recursive: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((listening) => server.listen(0, '127.0.0.1', () => listening((server.address() as AddressInfo).port)));
  await new Promise((closed) => server.close(closed));
  return port;
}

describe.each(layouts)('a web shop in the %s layout', (layout) => {
  let cluster: TestCluster;
  let ingressHealth = '';

  beforeAll(async () => {
    ingressHealth = `127.0.0.1:${await freePort()}`;
    const extra = [`kubelet.config=${kubeletFile}`, `ingress.health-address=${ingressHealth}`, `ingress.default-cert=${certFile}`, `ingress.default-key=${keyFile}`, 'scheduler.v=4'];
    cluster = await startTestCluster({ nodes: 3, ...flags[layout], args: [...flags[layout].args, ...extra.flatMap((text) => ['--extra-config', text])] });
  }, 180_000);
  afterAll(async () => {
    await cluster?.destroy();
  }, 60_000);

  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  function world(program: string): shop.JourneyWorld {
    const { endpoints } = cluster.state();
    return {
      kubectl: cluster.kubectl(program),
      program,
      kubeconfig: cluster.kubeconfig,
      nodePortHost: '127.0.0.1',
      ingress: endpoints['ingress-http'] ?? '',
      ingressTls: endpoints['ingress-https'] ?? '',
      balancerUrl: (ip, port) => `http://${ip}:${port}`,
    };
  }

  // What differs between versions of kubectl is the same in all layouts: the others see the oldest and the newest, or only one.
  const [main, versions] = [programs.slice(0, 1), programs.slice(1)];
  const used = { single: programs, threads: main, processes: [...main, ...new Set([...versions.slice(0, 1), ...versions.slice(-1)])] }[layout];
  it.each(used.map(({ version, path }) => [version, path] as const))('goes its whole way with kubectl %s', { timeout: 300_000 }, async (version, path) => {
    const at = world(path);
    await shop.applyAndWait(at);
    await shop.look(at);
    await shop.logsAndExec(at);
    await shop.copy(at);
    await shop.portForward(at);
    await shop.reachFromEverywhere(at);
    if (version === 'default') await shop.ingressWithTls(at);
    await shop.scale(at);
    if (version === 'default') {
      await cluster.kill9();
      await cluster.up();
      for (const name of ['cache', 'api', 'front']) await at.kubectl.ok(['rollout', 'status', `deployment/${name}`, '--timeout=90s', '-n', 'shop']);
      expect(await at.kubectl.ok(['get', 'deployment', 'front', '-n', 'shop', '-o', 'jsonpath={.spec.replicas}'])).toBe('4');
      await eventually(() => shop.reachFromEverywhere(world(path)), { what: 'everything answers after kill -9', withinMs: 60_000 });
    }
    await shop.brokenUpdateAndUndo(at);
    await shop.drain(at);
    await shop.everythingGoes(at);
  });

  it('has nodes that go by the configuration file they were given, each at its own port', async () => {
    const { kubectl } = world('kubectl');
    for (const node of ['node-1', 'node-3']) {
      const lines = (await kubectl.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/logs/?query=kubelet`])).split('\n');
      expect(lines.filter((line) => line.includes('node registered'))).toEqual([expect.stringMatching(new RegExp(` ${node} kubelet: .*"node":"${node}"`))]);
      expect(await kubectl.ok(['get', 'node', node, '-o', 'jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}'])).toBe('10250');
      expect(await kubectl.ok(['get', 'lease', node, '-n', 'kube-node-lease', '-o', 'jsonpath={.spec.leaseDurationSeconds}'])).toBe('45');
    }
  });

  it('has an ingress that goes by its flags', async () => {
    expect((await httpsGet({ address: world('kubectl').ingressTls, host: 'unknown.test', ca: pki.caCert, path: '/' })).status).toBe(404);
    expect(await body(`http://${ingressHealth}/healthz`)).toBe('ok');
    expect(await body(`http://${ingressHealth}/metrics`)).toMatch(/^nginx_ingress_controller_ssl_expire_time_seconds\{.*host="_".*\} \d/m);
  });

  it('has a scheduler that tells as much as it is asked to, and others that do not', async () => {
    const lines = (component: string): string[] => readFileSync(join(cluster.dataDir, 'logs', `${component}.log`), 'utf8').split('\n').filter((line) => line.includes('"level":"debug"'));
    await eventually(() => lines('scheduler').some((line) => line.includes('"msg":"bound a pod"')), { what: 'a line about a pod' });
    expect(lines('controller-manager')).toEqual([]);
  });

  const heals = async (): Promise<void> => {
    const { kubectl } = world('kubectl');
    await kubectl.ok(['create', 'deployment', 'web', '--image=nginx', '--replicas=2']);
    await kubectl.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    let replicas = 2;
    for (const [name, pid] of Object.entries(cluster.state().processes ?? {})) {
      process.kill(pid, 'SIGKILL');
      replicas = replicas === 2 ? 3 : 2;
      await eventually(() => kubectl.ok(['scale', 'deployment/web', `--replicas=${replicas}`]), { what: `scaling after ${name} was killed`, withinMs: 60_000, everyMs: 500 });
      await eventually(
        async () => (await kubectl.ok(['get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas} {.status.replicas}'])) === `${replicas} ${replicas}`,
        { what: `${replicas} replicas ready after ${name} was killed`, withinMs: 90_000, everyMs: 500 },
      );
    }
    await kubectl.ok(['delete', 'deployment', 'web']);
  };
  if (layout === 'processes') it('heals when any one process is killed', { timeout: 300_000 }, heals);
});

it('has a kubectl to go with', () => expect(programs.length).toBeGreaterThan(0));
