import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kubectl, eventually, runCommand } from '@orrery/testkit';
import { expect } from 'vitest';
import { ensurePki } from '@orrery/node-io';
import { body, httpGet, httpsGet } from './http.ts';

const manifests = join(dirname(fileURLToPath(import.meta.url)), '../examples/shop');
const ns = ['-n', 'shop'];

/** The world a journey goes through: a cluster of any layout and the ways into it from this machine. */
export interface JourneyWorld {
  readonly kubectl: Kubectl;
  /** The program and kubeconfig, for commands that run on (port-forward, a terminal). */
  readonly program: string;
  readonly kubeconfig: string;
  /** Where node ports answer. */
  readonly nodePortHost: string;
  /** host:port of the ingress's HTTP and HTTPS. */
  readonly ingress: string;
  readonly ingressTls: string;
  /** `http://…` of a load balancer's port as seen from this machine. */
  balancerUrl(ip: string, port: number): string;
}

async function json<T>(kubectl: Kubectl, ...args: string[]): Promise<T> {
  return JSON.parse(await kubectl.ok([...args, '-o', 'json'])) as T;
}

export async function applyAndWait({ kubectl }: JourneyWorld): Promise<void> {
  const applied = await kubectl.ok(['apply', '-f', manifests]);
  expect(applied).toContain('deployment.apps/front created');
  expect(applied).toContain('ingress.networking.k8s.io/shop created');
  for (const name of ['cache', 'api', 'front']) {
    expect(await kubectl.ok(['rollout', 'status', `deployment/${name}`, '--timeout=90s', ...ns])).toContain(`deployment "${name}" successfully rolled out`);
  }
  await kubectl.ok(['wait', '--for=condition=complete', 'job/seed', '--timeout=90s', ...ns]);
  expect(await kubectl.ok(['apply', '-f', manifests])).toContain('deployment.apps/front unchanged');
}

export async function look({ kubectl }: JourneyWorld): Promise<void> {
  const pods = await kubectl.ok(['get', 'pods', '-o', 'wide', ...ns]);
  expect(pods).toMatch(/NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE/);
  expect(pods).toMatch(/api-\S+\s+1\/1\s+Running\s+0\s/);
  expect(pods).toMatch(/seed-\S+\s+0\/1\s+Completed\s+0\s/);
  const described = await kubectl.ok(['describe', 'deployment', 'front', ...ns]);
  expect(described).toContain('2 desired | 2 updated | 2 total | 2 available | 0 unavailable');
  expect(described).toContain('Scaled up replica set');
  const pod = await kubectl.ok(['describe', 'pods', '-l', 'app=api', ...ns]);
  expect(pod).toContain('Successfully assigned shop/api-');
  expect(pod).toContain("<set to the key 'API_KEY' in secret 'api'>");
  expect(await kubectl.ok(['get', 'deploy,svc,ing,job,cm', ...ns])).toMatch(/job\.batch\/seed\s+Complete\s+1\/1|job\.batch\/seed\s+1\/1/);
}

export async function logsAndExec({ kubectl, program, kubeconfig }: JourneyWorld): Promise<void> {
  const logs = await kubectl.ok(['logs', '-f', 'job/seed', ...ns]);
  expect(logs).toMatch(/seeded banana[\s\S]*banana/);
  const inside = 'echo key=$API_KEY limit=$MEMORY_LIMIT; cat /etc/key/API_KEY; echo; cat /etc/podinfo/labels';
  const out = await kubectl.ok(['exec', 'deploy/api', ...ns, '--', 'sh', '-c', inside]);
  expect(out).toMatch(/^key=s3cr3t limit=134217728\ns3cr3t\n(.*\n)?app="api"/);
  const failed = await kubectl.run(['exec', 'deploy/api', ...ns, '--', 'sh', '-c', 'exit 3']);
  expect(failed.code).toBe(3);
  expect(failed.stderr).toContain('command terminated with exit code 3');
  expect(await kubectl.ok(['exec', '-i', 'deploy/cache', ...ns, '--', 'cat'], { input: 'through stdin\n' })).toBe('through stdin\n');
  const terminal = await runCommand('script', ['-qec', `${program} exec -it deploy/cache -n shop -- sh`, '/dev/null'], {
    env: { KUBECONFIG: kubeconfig, TERM: 'xterm' },
    input: 'tty\necho sum=$((20+22))\nexit\n',
    timeoutMs: 30_000,
  });
  expect(terminal.stdout).toContain('sum=42');
}

export async function copy({ kubectl }: JourneyWorld): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-cp-'));
  try {
    const text = `${'0123456789abcdef'.repeat(4096)}\n`;
    writeFileSync(join(dir, 'there.txt'), text);
    const pod = (await kubectl.ok(['get', 'pods', '-l', 'app=cache', ...ns, '-o', 'jsonpath={.items[0].metadata.name}'])).trim();
    await kubectl.ok(['cp', join(dir, 'there.txt'), `shop/${pod}:/data/there.txt`]);
    expect(await kubectl.ok(['exec', pod, ...ns, '--', 'wc', '-c', '/data/there.txt'])).toContain(String(text.length));
    await kubectl.ok(['cp', `shop/${pod}:/data/there.txt`, join(dir, 'back.txt')]);
    expect(readFileSync(join(dir, 'back.txt'), 'utf8')).toBe(text);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function portForward({ program, kubeconfig }: JourneyWorld): Promise<void> {
  const child = spawn(program, ['port-forward', '-n', 'shop', 'service/front', ':8000'], { env: { ...process.env, KUBECONFIG: kubeconfig } });
  try {
    const port = await new Promise<string>((resolve, reject) => {
      let text = '';
      const see = (chunk: Buffer): void => {
        text += chunk.toString();
        const found = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (found) resolve(found);
      };
      child.stdout.on('data', see);
      child.stderr.on('data', see);
      child.on('exit', () => reject(new Error(`port-forward ended: ${text}`)));
      setTimeout(() => reject(new Error(`port-forward did not start: ${text}`)), 20_000).unref();
    });
    for (let i = 0; i < 3; i++) expect(await body(`http://127.0.0.1:${port}/`)).toContain('Welcome to the shop');
  } finally {
    child.kill();
  }
}

interface ServiceJson {
  spec: { ports: { port: number; nodePort?: number }[] };
  status: { loadBalancer?: { ingress?: { ip: string }[] } };
}

export async function reachFromEverywhere(world: JourneyWorld): Promise<void> {
  const { kubectl } = world;
  const fetched = await kubectl.ok(['exec', 'deploy/cache', ...ns, '--', 'wget', '-qO-', 'http://front.shop.svc.cluster.local:8000/']);
  expect(fetched).toContain('Welcome to the shop');
  expect(await kubectl.ok(['exec', 'deploy/cache', ...ns, '--', 'wget', '-qO-', 'http://api/hostname'])).toMatch(/^api-/);
  const api = await json<ServiceJson>(kubectl, 'get', 'service', 'api', ...ns);
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++) seen.add(await body(`http://${world.nodePortHost}:${api.spec.ports[0]?.nodePort ?? 0}/hostname`));
  expect([...seen].every((name) => name.startsWith('api-'))).toBe(true);
  expect(seen.size).toBe(2);
  const ip = await eventually(
    async () => (await json<ServiceJson>(kubectl, 'get', 'service', 'front', ...ns)).status.loadBalancer?.ingress?.[0]?.ip ?? false,
    { what: 'an address for the load balancer' },
  );
  expect(await eventually(() => body(`${world.balancerUrl(ip, 8000)}/`), { what: 'the load balancer answers' })).toContain('Welcome to the shop');
  const host = { host: 'shop.localhost' };
  expect(await eventually(() => body(`http://${world.ingress}/`, host), { what: 'the ingress answers' })).toContain('Welcome to the shop');
  expect(await body(`http://${world.ingress}/hostname`, host)).toMatch(/^api-/);
}

/** A host with a certificate from a Secret: HTTPS answers with it, HTTP sends there. */
export async function ingressWithTls({ kubectl, ingress, ingressTls }: JourneyWorld): Promise<void> {
  const host = 'secure.localhost';
  const pki = ensurePki(undefined);
  const pair = pki.servingCert('shop', { subject: { commonName: host }, altNames: { dnsNames: [host] } });
  const dir = mkdtempSync(join(tmpdir(), 'orrery-tls-'));
  try {
    writeFileSync(join(dir, 'tls.crt'), pair.cert);
    writeFileSync(join(dir, 'tls.key'), pair.key);
    await kubectl.ok(['create', 'secret', 'tls', 'secure', `--cert=${join(dir, 'tls.crt')}`, `--key=${join(dir, 'tls.key')}`, ...ns]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  await kubectl.ok(['create', 'ingress', 'secure', '--class=nginx', `--rule=${host}/*=front:http,tls=secure`, ...ns]);
  const reply = await eventually(
    async () => {
      const answer = await httpsGet({ address: ingressTls, host, ca: pki.caCert, path: '/' });
      return answer.status === 200 && answer;
    },
    { what: 'the ingress answers over TLS with the certificate of the Secret' },
  );
  expect(reply.body).toContain('Welcome to the shop');
  expect((await httpGet(`http://${ingress}/`, { host })).status).toBe(308);
}

export async function scale({ kubectl }: JourneyWorld): Promise<void> {
  await kubectl.ok(['scale', 'deployment/front', '--replicas=4', ...ns]);
  await kubectl.ok(['rollout', 'status', 'deployment/front', '--timeout=90s', ...ns]);
  await eventually(
    async () => {
      const endpoints = await kubectl.ok(['get', 'endpointslices', '-l', 'kubernetes.io/service-name=front', ...ns, '-o', 'jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}']);
      return endpoints.trim().split(/\s+/).length === 4;
    },
    { what: 'four ready endpoints' },
  );
}

export async function brokenUpdateAndUndo(world: JourneyWorld): Promise<void> {
  const { kubectl } = world;
  await kubectl.ok(['set', 'image', 'deployment/api', 'api=registry.invalid/api:broken', ...ns]);
  const stuck = await kubectl.run(['rollout', 'status', 'deployment/api', '--timeout=4s', ...ns]);
  expect(stuck.code).not.toBe(0);
  await eventually(async () => expect(await kubectl.ok(['get', 'pods', '-l', 'app=api', ...ns])).toMatch(/ErrImagePull|ImagePullBackOff/), { what: 'the image fails to pull' });
  expect(await kubectl.ok(['get', 'deployment', 'api', ...ns, '-o', 'jsonpath={.status.availableReplicas}'])).toBe('2');
  expect(await kubectl.ok(['exec', 'deploy/cache', ...ns, '--', 'wget', '-qO-', 'http://api/hostname'])).toMatch(/^api-/);
  expect(await kubectl.ok(['rollout', 'undo', 'deployment/api', ...ns])).toContain('rolled back');
  await kubectl.ok(['rollout', 'status', 'deployment/api', '--timeout=90s', ...ns]);
  expect(await kubectl.ok(['rollout', 'history', 'deployment/api', ...ns])).toMatch(/2[\s\S]*3/);
}

/** kubectl evicts by policy/v1 since 1.22; no server since 1.25 takes the older form. */
async function canEvict(kubectl: Kubectl): Promise<boolean> {
  const { clientVersion } = JSON.parse(await kubectl.ok(['version', '--client', '-o', 'json'])) as { clientVersion: { minor: string } };
  return Number.parseInt(clientVersion.minor, 10) >= 22;
}

export async function drain({ kubectl }: JourneyWorld): Promise<void> {
  if (!(await canEvict(kubectl))) return;
  const node = (await kubectl.ok(['get', 'pods', '-l', 'app=api', ...ns, '-o', 'jsonpath={.items[0].spec.nodeName}'])).trim();
  const drained = await kubectl.ok(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=90s'], { timeoutMs: 120_000 });
  expect(drained).toContain(`node/${node} drained`);
  expect(await kubectl.ok(['get', 'node', node])).toContain('Ready,SchedulingDisabled');
  for (const name of ['cache', 'api', 'front']) await kubectl.ok(['rollout', 'status', `deployment/${name}`, '--timeout=90s', ...ns]);
  const left = await kubectl.ok(['get', 'pods', ...ns, '--field-selector', `spec.nodeName=${node},status.phase=Running`, '-o', 'name']);
  expect(left.trim()).toBe('');
  await kubectl.ok(['uncordon', node]);
}

export async function everythingGoes({ kubectl }: JourneyWorld): Promise<void> {
  await kubectl.ok(['delete', 'namespace', 'shop', '--timeout=120s'], { timeoutMs: 150_000 });
  const after = await kubectl.run(['get', 'namespace', 'shop']);
  expect(after.stderr).toContain('namespaces "shop" not found');
  expect((await kubectl.ok(['get', 'pods,svc,deploy,job,cm', '-A', '-o', 'name'])).split('\n').filter((line) => /front|api-|cache|seed/.test(line))).toEqual([]);
}
