import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestCluster, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import * as deep from './kubectl-deep.ts';
import * as smoke from './kubectl-smoke.ts';
import { type Transcript, play } from './transcript.ts';

/** Older ones lack commands of the matrix; Debian's own is 1.20. */
const oldestMinor = 27;
const found = findKubectls().filter(({ minor }) => minor >= oldestMinor);
/** The one of PATH goes for its version. */
const programs = found.filter(({ minor }, i) => found.findIndex((other) => other.minor === minor) === i);
const dir = mkdtempSync(join(tmpdir(), 'orrery-kubectl-'));
let cluster: TestCluster;

/** The client certificate of the kubeconfig: any pair of PEM files will do for a TLS secret. */
function writeKeyPair(kubeconfig: string): void {
  const text = readFileSync(kubeconfig, 'utf8');
  for (const [field, file] of [['client-certificate-data', 'tls.crt'], ['client-key-data', 'tls.key']] as const) {
    writeFileSync(join(dir, file), Buffer.from(new RegExp(`${field}: "?([\\w+/=]+)`).exec(text)?.[1] ?? '', 'base64'));
  }
}

beforeAll(async () => {
  cluster = await startTestCluster({ layout: 'single', nodes: 3 });
  for (const [name, text] of Object.entries({ ...smoke.files, ...deep.files })) writeFileSync(join(dir, name), text);
  writeKeyPair(cluster.kubeconfig);
}, 60_000);
afterAll(async () => {
  await cluster?.destroy();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

function transcript(path: string, namespace: string): Transcript {
  return { kubectl: cluster.kubectl(path), namespace, cwd: dir };
}

describe.each(programs.map(({ version, path }) => [version, path] as const))('kubectl %s', (version, path) => {
  const at = (): Transcript => transcript(path, `v${version.replaceAll('.', '-')}`);
  it('creates one of everything', { timeout: 60_000 }, () => play(at(), smoke.create));
  it('changes it', { timeout: 120_000 }, () => play(at(), smoke.change));
  it('looks at it', { timeout: 60_000 }, () => play(at(), smoke.look));
  it('says who I am, or that the server has no such old API', async () => {
    const { code, stdout, stderr } = await at().kubectl.run(['auth', 'whoami']);
    if (version === '1.27') expect([code, stderr]).toEqual([1, expect.stringContaining('the selfsubjectreviews API is not enabled in the cluster')]);
    else expect([code, stdout]).toEqual([0, expect.stringMatching(/Username\s+kubernetes-admin\nGroups\s+\[system:masters system:authenticated\]/)]);
  });
  it('deletes it', { timeout: 120_000 }, () => play(at(), smoke.remove));
});

describe.runIf(programs.length > 0)('in depth', () => {
  const at = (): Transcript => transcript(programs[0]?.path ?? '', 'deep');
  it.each(Object.entries(deep.transcripts))('%s', { timeout: 90_000 }, (_name, lines) => play(at(), lines));
  it('watches a change', () => deep.watchesAChange(at()));
  it('approves a certificate that then logs in', () => deep.approvesACertificate(at(), cluster.state().server));
  it('speaks to etcdctl', () => deep.speaksToEtcdctl(at(), cluster.state().endpoints['etcd'] ?? ''));
});

if (programs.length === 0) it.skip('no kubectl of 1.27 or later is on PATH: no matrix to run', () => undefined);
