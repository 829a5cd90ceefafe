import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { ServiceAccounts } from '@orrery/api';
import { ensurePki } from '@orrery/node-io';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../src/plugins.ts';
import { eventually, startTestServer, type TestServer } from './test-server.ts';

/** Programs named by KUBECTL (a list), else the kubectl in PATH. */
function kubectls(): string[] {
  const named = (process.env['KUBECTL'] ?? '').split(delimiter).filter((path) => path !== '');
  const inPath = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'kubectl'));
  const runs = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (named.length ? named : inPath.slice(0)).filter(runs).slice(0, named.length || 1);
}

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let t: TestServer;
let dir = '';

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
`;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-kubectl-'));
  const pki = ensurePki(join(dir, 'pki'));
  t = await startTestServer({ tlsCert: pki.serverCert, tlsKey: pki.serverKey, clientCa: pki.caCert, serviceAccountKey: pki.saKey }, { plugins });
  await t.api.create(ServiceAccounts, { metadata: { name: 'default', namespace: 'default' } });
  const server = `https://127.0.0.1:${t.server.port}`;
  writeFileSync(join(dir, 'config'), pki.kubeconfig({ server, user: 'admin', groups: ['system:masters'] }));
  writeFileSync(join(dir, 'jane'), pki.kubeconfig({ server, user: 'jane' }));
  writeFileSync(join(dir, 'web.yaml'), manifest);
});
afterAll(async () => {
  await t?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe.each(kubectls())('%s', (program) => {
  const base = (user = 'config'): string[] => [`--kubeconfig=${join(dir, user)}`, `--cache-dir=${join(dir, 'cache')}`];
  const run = (args: readonly string[], user?: string): Promise<Output> =>
    new Promise((resolve) => {
      execFile(program, [...base(user), ...args], (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }));
    });
  const kubectl = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await run(line.split(' '));
    expect(code, `kubectl ${line}: ${stderr}`).toBe(0);
    return stdout;
  };

  it('creates, reads, applies, patches, scales and deletes', async () => {
    expect(await kubectl('create configmap a --from-literal=x=1')).toBe('configmap/a created\n');
    expect(await kubectl('get cm a -o jsonpath={.data.x}')).toBe('1');
    expect(await kubectl(`apply -f ${join(dir, 'web.yaml')}`)).toBe('deployment.apps/web created\n');
    expect(await kubectl(`apply -f ${join(dir, 'web.yaml')}`)).toBe('deployment.apps/web unchanged\n');
    expect(await kubectl('scale deployment web --replicas=4')).toBe('deployment.apps/web scaled\n');
    expect(await kubectl('set image deployment/web c=nginx:2')).toBe('deployment.apps/web image updated\n');
    expect(await kubectl('get deploy web')).toMatch(/NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/4/);
    expect(await kubectl('describe deployment web')).toMatch(/Image: +nginx:2/);
    expect(await kubectl('explain deployment.spec.replicas')).toContain('FIELD: replicas <integer>');
    expect(await kubectl('expose deployment web --port=80 --type=NodePort')).toBe('service/web exposed\n');
    expect(await kubectl('get svc web -o wide')).toMatch(/web +NodePort +10\.96\.\d+\.\d+ +<none> +80:3\d{4}\/TCP/);
    await kubectl('delete deployment/web service/web configmap/a --wait=true');
    expect((await run(['get', 'deploy', 'web'])).stderr).toContain('Error from server (NotFound): deployments.apps "web" not found');
  });

  it('applies on the server side, with conflicts', async () => {
    const file = join(dir, 'web.yaml');
    expect(await kubectl(`apply --server-side -f ${file}`)).toBe('deployment.apps/web serverside-applied\n');
    await kubectl('scale deployment web --replicas=5');
    expect((await run(['apply', '--server-side', '-f', file])).stderr).toContain('.spec.replicas');
    await kubectl(`apply --server-side --force-conflicts -f ${file}`);
    expect(await kubectl('get deploy web -o jsonpath={.spec.replicas}')).toBe('2');
    await kubectl('delete deployment web');
  });

  it('watches', async () => {
    await kubectl('create configmap w1');
    const child = spawn(program, [...base(), 'get', 'cm', '-w', '--no-headers', '-o', 'name'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await eventually(() => out.includes('configmap/w1'), 'first event');
    await kubectl('create configmap w2');
    await eventually(() => out.includes('configmap/w2'), 'second event');
    child.kill();
    await kubectl('delete cm w1 w2');
  });

  it('is told what it may not do', async () => {
    const { stderr } = await run(['get', 'pods'], 'jane');
    expect(stderr).toContain('Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"');
    expect((await run(['auth', 'can-i', 'list', 'pods'], 'jane')).stdout).toBe('no\n');
  });
});

it('speaks HTTP/2 and HTTP/1.1 on its one port', async () => {
  const { connect } = await import('node:tls');
  const protocolFor = (offered: string[]): Promise<string | false | null> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: t.server.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: offered }, () => {
        resolve(socket.alpnProtocol);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await protocolFor(['h2', 'http/1.1'])).toBe('h2');
  expect(await protocolFor(['http/1.1'])).toBe('http/1.1');
});
