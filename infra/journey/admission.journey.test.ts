import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpServer, ensurePki, serveHttp } from '@orrery/node-io';
import { type TestCluster, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import * as story from './admission-story.ts';
import { type Line, type Transcript, play } from './transcript.ts';

const programs = findKubectls();
/** The oldest and the newest at hand. */
const chosen = [...new Map([programs.at(1), programs.at(-1)].flatMap((program) => (program ? [[program.version, program]] : []))).values()];
const home = mkdtempSync(join(tmpdir(), 'orrery-admission-'));
let cluster: TestCluster;
let hooks: HttpServer;
let caBundle = '';
const asked: { path: string; request: any }[] = [];

type Answer = Record<string, unknown>;

/** By the name of the object, or by the command of an exec. */
function judge(request: any): Answer {
  if (request.operation === 'CONNECT') return request.object.command[0] === 'echo' ? { allowed: false, status: { message: 'nobody runs echo' } } : { allowed: true };
  if (request.operation === 'DELETE') return request.oldObject.metadata.name === 'good' && request.userInfo.username === 'kubernetes-admin' ? { allowed: false, status: { message: 'good is here to stay', code: 403 } } : { allowed: true };
  const answers: Record<string, Answer> = {
    bad: { allowed: false, status: { message: 'no bad ones', code: 403, reason: 'Forbidden' } },
    mute: { allowed: false },
    careful: { allowed: true, warnings: ['careful with that'] },
  };
  return answers[request.object.metadata.name] ?? { allowed: true };
}

function answer(path: string, request: any): Answer {
  if (path.startsWith('/validate')) return judge(request);
  const labels = { ...request.object.metadata.labels, stamped: request.userInfo.username };
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/labels', value: labels }])).toString('base64') };
}

beforeAll(async () => {
  const pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('hook', { subject: { commonName: 'hook' }, altNames: { dnsNames: [], ipAddresses: ['127.0.0.1'] } });
  caBundle = Buffer.from(pki.caCert).toString('base64');
  hooks = await serveHttp({
    host: '127.0.0.1', port: 0, tls: { cert, key },
    handler: {
      async request(request, response) {
        const { request: review } = JSON.parse((await request.body(1e6)).toString()) as { request: any };
        asked.push({ path: request.url, request: review });
        if (review.object?.metadata?.name === 'slow' && request.url.startsWith('/validate')) return;
        response.send(200, { 'content-type': 'application/json' }, JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: review.uid, ...answer(request.url, review) } }));
      },
    },
  });
  cluster = await startTestCluster({ layout: 'single', nodes: 1 });
}, 60_000);
afterAll(async () => {
  await cluster?.destroy();
  await hooks?.close();
  rmSync(home, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

describe.each(chosen.map(({ version, path }, i) => [version, path, i] as const))('kubectl %s', (version, path, i) => {
  const namespace = `admission${i}`;
  const dir = join(home, version);
  const told = (text: string): string => text.replaceAll('FILES', dir).replaceAll('NS', namespace).replaceAll('URL', `https://127.0.0.1:${hooks.port}`).replaceAll('BUNDLE', caBundle);
  const act = (lines: readonly Line[]): Promise<void> => {
    const at: Transcript = { kubectl: cluster.kubectl(path), namespace, cwd: home };
    return play(at, lines.map(([command, sees, code]) => [told(command), typeof sees === 'string' ? told(sees) : new RegExp(told(sees.source)), ...(code === undefined ? [] : ([code] as const))] as Line));
  };

  it('validates by policy', { timeout: 60_000 }, async () => {
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of Object.entries(story.files)) writeFileSync(join(dir, name), told(text));
    await act(story.validating);
  });
  it('mutates by policy', { timeout: 60_000 }, () => act(story.mutating));
  it('asks webhooks', { timeout: 90_000 }, async () => {
    const from = asked.length;
    await act(story.called);
    const seen = asked.slice(from);
    expect(seen.filter(({ request }) => request.dryRun === true).map(({ path: url }) => url)).toEqual(['/mutate?timeout=10s', '/validate?timeout=2s']);
    expect(seen.find(({ request }) => request.operation === 'CONNECT')?.request).toMatchObject({ kind: { kind: 'PodExecOptions' }, resource: { resource: 'pods' }, subResource: 'exec', name: 'shell', namespace });
    expect(seen.filter(({ path: url, request }) => url.startsWith('/mutate') && request.object.metadata.name === 'kube-root-ca.crt')).toEqual([]);
  });
});
