import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestCluster, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import * as conversion from './conversion-story.ts';
import { type ConversionWebhook, startConversionWebhook } from './conversion-webhook.ts';
import * as story from './crd-story.ts';
import { type Line, type Transcript, play } from './transcript.ts';

const programs = findKubectls();
/** The oldest and the newest at hand. */
const chosen = [...new Map([programs.at(1), programs.at(-1)].flatMap((program) => (program ? [[program.version, program]] : []))).values()];
const home = mkdtempSync(join(tmpdir(), 'orrery-crd-'));
let cluster: TestCluster;
let webhook: ConversionWebhook;

beforeAll(async () => {
  const migrates = ['apiserver.runtime-config=storagemigration.k8s.io/v1beta1=true', 'controller-manager.feature-gates=StorageVersionMigrator=true'];
  cluster = await startTestCluster({ layout: 'single', nodes: 1, args: migrates.flatMap((setting) => ['--extra-config', setting]) });
  webhook = await startConversionWebhook();
}, 60_000);
afterAll(async () => {
  await webhook?.close();
  await cluster?.destroy();
  rmSync(home, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

describe.each(chosen.map(({ version, path }, i) => [version, path, i] as const))('kubectl %s', (version, path, i) => {
  const names: story.Names = { kind: `CronTab${i}`, short: `ct${i}` };
  const dir = join(home, version);
  const at = (): Transcript => ({ kubectl: cluster.kubectl(path), namespace: `crd${i}`, cwd: home });
  const told = (lines: readonly Line[], uid = ''): Line[] =>
    lines.map(([typed, sees, code]) => {
      const command = story.named(typed, names).replaceAll('FILES', dir).replaceAll('UID', uid);
      const seen = typeof sees === 'string' ? story.named(sees, names) : new RegExp(story.named(sees.source, names));
      return code === undefined ? [command, seen] : [command, seen, code];
    });

  it('defines a resource and makes one', async () => {
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of Object.entries(story.files)) writeFileSync(join(dir, name), story.named(text, names));
    await play(at(), told(story.life));
  });
  it('changes it, and is told what is wrong', { timeout: 60_000 }, () => play(at(), told(story.changes)));
  it('ends with its owner, its namespace and its definition', { timeout: 90_000 }, async () => {
    const uid = (await at().kubectl.ok(['-n', `crd${i}`, 'get', names.short, 'one', '-o', 'jsonpath={.metadata.uid}'])).trim();
    expect(uid).toMatch(/^[0-9a-f-]{36}$/);
    await play(at(), told(story.end, uid));
  });
});

describe.each(chosen.map(({ version, path }, i) => [version, path, i] as const))('kubectl %s and a conversion webhook', (version, path, i) => {
  const names: story.Names = { kind: `Host${i}`, short: `ho${i}` };
  const dir = join(home, `${version}-conversion`);
  const at = (): Transcript => ({ kubectl: cluster.kubectl(path), namespace: `conversion${i}`, cwd: home });
  const told = (lines: readonly Line[]): Line[] =>
    lines.map(([typed, sees, code]) => {
      const seen = typeof sees === 'string' ? story.named(sees, names) : new RegExp(story.named(sees.source, names));
      const command = story.named(typed, names).replaceAll('FILES', dir);
      return code === undefined ? [command, seen] : [command, seen, code];
    });

  it('serves two versions of one object, and a definition that changes', { timeout: 60_000 }, async () => {
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of Object.entries(conversion.files)) writeFileSync(join(dir, name), story.named(text, names).replace('URL', webhook.url).replace('CABUNDLE', webhook.caBundle));
    await play(at(), told(conversion.works));
  });
  it('goes on without the webhook where it is not needed, and with it when it is back', { timeout: 90_000 }, async () => {
    webhook.break(true);
    await play(at(), told(conversion.broken));
    webhook.break(false);
    await play(at(), told(conversion.end));
  });
});

/** Boxes, served in these versions, the last of which is stored. */
const boxes = (...versions: readonly string[]): string => JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'boxes.x.example.com' },
  spec: {
    group: 'x.example.com', scope: 'Namespaced', names: { plural: 'boxes', kind: 'Box' },
    versions: versions.map((version) => ({ name: version, served: true, storage: version === versions.at(-1), schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } })),
  },
});

it('migrates what is stored in an old version, which can then be dropped', { timeout: 60_000 }, async () => {
  const k = cluster.kubectl();
  const apply = (text: string) => k.run(['apply', '-f', '-'], { input: text });
  const box = { apiVersion: 'x.example.com/v1', kind: 'Box', metadata: { name: 'one' }, spec: { size: 3 } };
  const migration = { apiVersion: 'storagemigration.k8s.io/v1beta1', kind: 'StorageVersionMigration', metadata: { name: 'boxes' }, spec: { resource: { group: 'x.example.com', resource: 'boxes' } } };
  await apply(boxes('v1'));
  await k.ok(['wait', '--for', 'condition=Established', 'crd/boxes.x.example.com', '--timeout=20s']);
  expect(await apply(JSON.stringify(box))).toMatchObject({ code: 0 });
  await apply(boxes('v1', 'v2'));
  const [revision, generation] = (await k.ok(['get', 'box', 'one', '-o', 'jsonpath={.metadata.resourceVersion} {.metadata.generation}'])).split(' ');
  expect((await apply(boxes('v2'))).stderr).toContain('status.storedVersions[0]: Invalid value: "v1"');
  await apply(JSON.stringify(migration));
  await k.ok(['wait', '--for', 'condition=Succeeded', 'storageversionmigration/boxes', '--timeout=20s']);
  const [after, same] = (await k.ok(['get', 'box', 'one', '-o', 'jsonpath={.metadata.resourceVersion} {.metadata.generation}'])).split(' ');
  expect([Number(after) > Number(revision), same]).toEqual([true, generation]);
  expect(await k.ok(['get', 'crd', 'boxes.x.example.com', '-o', 'jsonpath={.status.storedVersions} {.status.conditions[?(@.type=="StorageMigrating")].message}'])).toBe('["v2"] The migration has succeeded and the stored versions have been updated');
  expect(await apply(boxes('v2'))).toMatchObject({ code: 0 });
  // kubectl remembers for a while that there was a v1.
  expect(JSON.parse(await k.ok(['get', '--raw', '/apis/x.example.com/v2/namespaces/default/boxes/one']))).toMatchObject({ apiVersion: 'x.example.com/v2', spec: { size: 3 } });
});
