import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io';
import { orreryProgram } from '@orrery/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** envtest of controller-runtime starts a control plane from an assets directory; this does what it does, in its order and with its flags. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Answer {
  readonly code: number;
  readonly body: string;
}

function ask(url: string, tls: { ca?: string; cert?: string; key?: string } = {}, call: { method?: string; body?: object } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https') ? httpsRequest : httpRequest;
    const request = send(url, { ...tls, method: call.method ?? 'GET', headers: { 'content-type': 'application/json' }, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, body }));
    });
    request.on('error', reject);
    request.end(call.body && JSON.stringify(call.body));
  });
}

async function untilHealthy(url: string, tls: { ca?: string } = {}): Promise<void> {
  const end = performance.now() + 120_000;
  while (performance.now() < end) {
    const answer = await ask(url, tls).catch(() => undefined);
    if (answer?.code === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} does not answer:\n${output.join('')}`);
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve({ code: child.exitCode, signal: child.signalCode }) : child.once('exit', (code, signal) => resolve({ code, signal }))));
}

const output: string[] = [];

describe('the control plane of envtest', { timeout: 240_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'orrery-envtest-'));
  const assets = join(home, 'assets');
  const certs = join(home, 'certs');
  const children: ChildProcess[] = [];
  const serving = ensurePki(join(home, 'ca'), { dnsNames: ['localhost'] });
  const accounts = ensurePki(join(home, 'sa'), { dnsNames: [] });
  const users = ensurePki(join(home, 'users'), { dnsNames: [] });
  let url = '';
  let etcdUrl = '';
  /** By the name of the program. */
  const commandLine: Record<string, string[]> = {};
  const admin = { ca: serving.caCert, ...users.clientCert('admin', ['system:masters']) };
  const alice = { ca: serving.caCert, ...users.clientCert('alice', []) };

  const start = (name: string, args: string[]): ChildProcess => {
    commandLine[name] = args;
    const child = spawn(join(assets, name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void output.push(chunk.toString()));
    children.push(child);
    return child;
  };

  beforeAll(async () => {
    // In the order in which envtest goes: assets, etcd, its health, certificates, kube-apiserver, its health.
    expect(spawnSync(process.execPath, [orreryProgram(), 'envtest', '--bin-dir', assets, '-q'], { encoding: 'utf8' }).stdout).toBe(`${assets}\n`);
    expect(readdirSync(assets).sort()).toEqual(['etcd', 'kube-apiserver', 'kubectl']);
    const etcdHelp = spawnSync(join(assets, 'etcd'), ['--help'], { encoding: 'utf8' });
    expect(etcdHelp.stdout).toMatch(/^\s*--unsafe-no-fsync\b/m);
    etcdUrl = `http://127.0.0.1:${await freePort()}`;
    start('etcd', [`--advertise-client-urls=${etcdUrl}`, `--data-dir=${join(home, 'etcd')}`, `--listen-client-urls=${etcdUrl}`, `--listen-peer-urls=http://127.0.0.1:${await freePort()}`, '--unsafe-no-fsync=true']);
    await untilHealthy(`${etcdUrl}/health`);
    mkdirSync(certs);
    const files = { 'apiserver.crt': serving.serverCert, 'apiserver.key': serving.serverKey, 'sa-signer.crt': accounts.caCert, 'sa-signer.key': accounts.caKey, 'client-cert-auth-ca.crt': users.caCert };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(certs, name), text);
    expect(spawnSync(join(assets, 'kube-apiserver'), ['--help'], { encoding: 'utf8' }).stdout).not.toMatch(/^\s*--insecure-port\b/m);
    const port = await freePort();
    url = `https://127.0.0.1:${port}`;
    start('kube-apiserver', [
      ...['--allow-privileged=true', '--authorization-mode=RBAC', '--bind-address=127.0.0.1', `--cert-dir=${certs}`, `--client-ca-file=${join(certs, 'client-cert-auth-ca.crt')}`],
      ...['--disable-admission-plugins=ServiceAccount', `--etcd-servers=${etcdUrl}`, `--secure-port=${port}`, `--service-account-issuer=${url}/`],
      ...[`--service-account-key-file=${join(certs, 'sa-signer.crt')}`, `--service-account-signing-key-file=${join(certs, 'sa-signer.key')}`, '--service-cluster-ip-range=10.0.0.0/24'],
    ]);
    await untilHealthy(`${url}/healthz`, { ca: serving.caCert });
    await untilHealthy(`${url}/readyz`, { ca: serving.caCert });
  }, 240_000);

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  it('serves custom resources, to whom RBAC allows it', async () => {
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }];
    const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'widgets.example.com' }, spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions } };
    expect((await ask(`${url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions`, admin, { method: 'POST', body: definition })).code).toBe(201);
    await untilHealthy(`${url}/apis/example.com/v1`, admin);
    const widgets = `${url}/apis/example.com/v1/namespaces/default/widgets`;
    expect((await ask(widgets, admin, { method: 'POST', body: { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } } })).code).toBe(201);
    expect((await ask(widgets, alice)).code).toBe(403);
    // No service account is needed, as its plug-in is off.
    const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
    expect((await ask(`${url}/api/v1/namespaces/default/pods`, admin, { method: 'POST', body: pod })).code).toBe(201);
    expect(JSON.parse((await ask(`${url}/.well-known/openid-configuration`, admin)).body)).toMatchObject({ issuer: `${url}/` });
  });

  it('calls webhooks of the test itself, as envtest installs them: by URL, with a certificate made for the test', async () => {
    const reviews: { uid: string; operation: string }[] = [];
    const webhook = createHttpsServer({ cert: serving.serverCert, key: serving.serverKey }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { request: review } = JSON.parse(Buffer.concat(chunks).toString()) as { request: (typeof reviews)[number] };
        reviews.push(review);
        const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: review.uid, allowed: false, status: { code: 403, reason: 'Forbidden', message: 'not in this test' } } };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    const port = await new Promise<number>((resolve) => webhook.listen(0, '127.0.0.1', () => resolve((webhook.address() as { port: number }).port)));
    try {
      const clientConfig = { url: `https://127.0.0.1:${port}/validate`, caBundle: Buffer.from(serving.caCert).toString('base64') };
      const rules = [{ apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['widgets'] }];
      const configuration = { metadata: { name: 'widgets' }, webhooks: [{ name: 'widgets.example.com', clientConfig, rules, admissionReviewVersions: ['v1'], sideEffects: 'None', failurePolicy: 'Fail', matchPolicy: 'Equivalent' }] };
      const configurations = `${url}/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations`;
      expect((await ask(configurations, admin, { method: 'POST', body: configuration })).code).toBe(201);
      const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'refused' } };
      // It is called once the server has seen that it is there.
      const end = performance.now() + 60_000;
      let answer: Answer;
      do answer = await ask(`${url}/apis/example.com/v1/namespaces/default/widgets?dryRun=All`, admin, { method: 'POST', body: widget });
      while (answer.code === 201 && performance.now() < end);
      expect(answer).toMatchObject({ code: 403, body: expect.stringContaining('admission webhook \\"widgets.example.com\\" denied the request: not in this test') as string });
      expect(reviews.at(-1)).toMatchObject({ operation: 'CREATE' });
      expect((await ask(`${configurations}/widgets`, admin, { method: 'DELETE' })).code).toBe(200);
    } finally {
      webhook.closeAllConnections();
      await new Promise((resolve) => webhook.close(resolve));
    }
  });

  it('ends by a signal although somebody watches, and was quiet', async () => {
    const [etcd, server] = children as [ChildProcess, ChildProcess];
    // As the caches of a manager that was not stopped first. Envtest waits 20 s for the end.
    const watch = httpsRequest(`${url}/apis/example.com/v1/widgets?watch=true`, { ...admin, agent: false });
    const [response] = (await once(watch.end(), 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    response.on('error', () => undefined).resume();
    watch.on('error', () => undefined);
    server.kill('SIGTERM');
    expect(await ended(server)).toEqual({ code: 0, signal: null });
    etcd.kill('SIGTERM');
    expect(await ended(etcd)).toEqual({ code: 0, signal: null });
    expect(output.join('')).toBe('');
  });

  it('starts again with the same settings, on the data and certificates that are there', async () => {
    const etcd = start('etcd', commandLine['etcd'] ?? []);
    await untilHealthy(`${etcdUrl}/health`);
    const server = start('kube-apiserver', commandLine['kube-apiserver'] ?? []);
    await untilHealthy(`${url}/readyz`, { ca: serving.caCert });
    await untilHealthy(`${url}/apis/example.com/v1/namespaces/default/widgets/w`, admin);
    for (const child of [server, etcd]) {
      child.kill('SIGTERM');
      expect(await ended(child)).toEqual({ code: 0, signal: null });
    }
  });

  it('ends when the test that started it is killed', async () => {
    const orphanUrl = `http://127.0.0.1:${await freePort()}`;
    // As envtest: a process that starts etcd, and dies without a word.
    const parent = spawn('sh', ['-c', `"$0" --listen-client-urls=${orphanUrl} --data-dir="$1" & echo $!; wait`, join(assets, 'etcd'), join(home, 'orphan')], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(parent);
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))));
    await untilHealthy(`${orphanUrl}/health`);
    parent.kill('SIGKILL');
    const end = performance.now() + 60_000;
    const lives = (): boolean => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    while (lives() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(lives()).toBe(false);
  });

  it('refuses flags that the originals do not have', () => {
    const run = (name: string, flag: string): unknown => {
      const { status, stderr } = spawnSync(join(assets, name), [flag], { encoding: 'utf8' });
      return [status, stderr.trim()];
    };
    expect(run('etcd', '--fast')).toEqual([1, 'orrery: flag provided but not defined: --fast']);
    expect(run('kube-apiserver', '--insecure-port=0')).toEqual([1, 'orrery: unknown flag: --insecure-port']);
  });
});
