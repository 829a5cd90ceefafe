import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io';
import { type TestCluster, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { SampleServer } from '../../apps/apiserver/src/aggregation/testing/sample-server.ts';
import * as story from './aggregation-story.ts';
import { type Line, type Transcript, play } from './transcript.ts';

const programs = findKubectls();
/** The oldest and the newest at hand. */
const chosen = [...new Map([programs.at(1), programs.at(-1)].flatMap((program) => (program ? [[program.version, program]] : []))).values()];
const home = mkdtempSync(join(tmpdir(), 'orrery-aggregation-'));
let cluster: TestCluster;
let sample: SampleServer;

beforeAll(async () => {
  // Its API server reaches the other one from another thread; webhooks (admission.journey) are called within one.
  cluster = await startTestCluster({ layout: 'single', nodes: 1, args: ['--threads', '2'] });
  const pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('sample', { subject: { commonName: 'sample' }, altNames: { dnsNames: ['api.wardle.svc'] } });
  const requestHeaderCa = readFileSync(join(cluster.dataDir, 'pki', 'front-proxy-ca.crt'), 'utf8');
  sample = new SampleServer({ host: 'localhost', cert, key, requestHeaderCa, allowedNames: ['front-proxy-client'] });
  await sample.start();
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'service.yaml'), story.service(sample.port, Buffer.from(pki.caCert).toString('base64')));
  writeFileSync(join(home, 'flunder.yaml'), story.flunder);
  await cluster.kubectl().ok(['create', 'namespace', 'wardle']);
}, 60_000);
afterAll(async () => {
  await sample?.stop();
  await cluster?.destroy();
  rmSync(home, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

describe.each(chosen.map(({ version, path }) => [version, path] as const))('kubectl %s', (_version, path) => {
  const at = (): Transcript => ({ kubectl: cluster.kubectl(path), namespace: 'wardle', cwd: home });
  const told = (lines: readonly Line[]): Line[] => lines.map(([typed, sees, ...code]) => [typed.replaceAll('FILES', home), sees, ...code] as Line);

  it('uses the API of another server', { timeout: 60_000 }, async () => {
    sample.outage = undefined;
    await play(at(), told(story.life));
    expect(sample.clients.at(-1)).toMatchObject({ user: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] });
  });
  // The next check of a server that was there comes within half a minute: once is enough.
  if (path === chosen.at(-1)?.path) {
    it('sees that it is away, and works on without it', { timeout: 90_000 }, async () => {
      sample.outage = 503;
      await play(at(), told(story.outage));
    });
  }
  it('no longer has it', () => play(at(), told(story.end)));
});
