import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable, Writable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import { type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { freeRange } from '../free-range.ts';

const namespace = 'clients';
const home = mkdtempSync(join(tmpdir(), 'orrery-client-node-'));
const config = new k8s.KubeConfig();
let cluster: TestCluster;
let core: k8s.CoreV1Api;

beforeAll(async () => {
  // The same port after a restart: a client keeps its configuration.
  cluster = await startTestCluster({ layout: 'single', nodes: 1, args: ['--api-port', String(await freeRange(26_443, 1))] });
  config.loadFromFile(cluster.kubeconfig);
  core = config.makeApiClient(k8s.CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  await cluster.kubectl().ok(['wait', '--for=create', 'serviceaccount/default', '-n', namespace, '--timeout=30s']);
  const script = 'echo first; while read line; do echo got $line; done';
  await core.createNamespacedPod({ namespace, body: { metadata: { name: 'shell' }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'busybox', stdin: true, command: ['sh', '-c', script] }] } } });
  await core.createNamespacedPod({ namespace, body: { metadata: { name: 'web', labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } } });
  for (const name of ['shell', 'web']) await eventually(async () => (await core.readNamespacedPod({ name, namespace })).status?.phase === 'Running', { what: `${name} runs` });
}, 90_000);
afterAll(async () => {
  await cluster?.destroy();
  rmSync(home, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

/** A stream and all that came into it. */
function sink(): { readonly stream: Writable; readonly text: () => string } {
  let text = '';
  return { stream: new Writable({ write: (chunk: Buffer, _encoding, done) => ((text += chunk.toString()), done()) }), text: () => text };
}

const map = (name: string, data: Record<string, string> = {}): k8s.V1ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { from: 'node' } }, data });
const failure = async (call: Promise<unknown>): Promise<{ code: number; body: k8s.V1Status }> => {
  const error = await call.then(() => undefined, (cause: unknown) => cause as { code: number; body: unknown });
  if (!error) throw new Error('the call did not fail');
  return { code: error.code, body: (typeof error.body === 'string' ? JSON.parse(error.body) : error.body) as k8s.V1Status };
};

describe('the typed client', () => {
  it('patches in every way', async () => {
    await core.createNamespacedConfigMap({ namespace, body: map('patched', { a: '1' }) });
    const patch = (body: object, kind: k8s.PatchStrategy, more: object = {}) => core.patchNamespacedConfigMap({ name: 'patched', namespace, body, ...more }, k8s.setHeaderOptions('Content-Type', kind));
    expect((await patch([{ op: 'replace', path: '/data/a', value: '2' }], k8s.PatchStrategy.JsonPatch)).data).toEqual({ a: '2' });
    expect((await patch({ data: { b: '1', a: null } }, k8s.PatchStrategy.MergePatch)).data).toEqual({ b: '1' });
    expect((await patch({ data: { $patch: 'replace', c: '1' } }, k8s.PatchStrategy.StrategicMergePatch)).data).toEqual({ c: '1' });
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched' }, data: { c: '9' } };
    expect(await failure(patch(applied, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'me' }))).toMatchObject({ code: 409, body: { reason: 'Conflict', details: { causes: [{ reason: 'FieldManagerConflict', field: '.data.c' }] } } });
    expect((await patch(applied, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'me', force: true })).data).toEqual({ c: '9' });
    expect((await patch({ data: { dry: 'run' } }, k8s.PatchStrategy.MergePatch, { dryRun: 'All' })).data).toEqual({ c: '9', dry: 'run' });
    expect((await core.readNamespacedConfigMap({ name: 'patched', namespace })).data).toEqual({ c: '9' });
  });

  it('lists in chunks, deletes collections and reads failures', async () => {
    for (const name of ['l1', 'l2', 'l3']) await core.createNamespacedConfigMap({ namespace, body: { ...map(name), metadata: { name, labels: { list: 'yes' } } } });
    const first = await core.listNamespacedConfigMap({ namespace, labelSelector: 'list=yes', limit: 2 });
    expect([first.items.map(({ metadata }) => metadata?.name), first.metadata?.remainingItemCount]).toEqual([['l1', 'l2'], undefined]);
    const second = await core.listNamespacedConfigMap({ namespace, labelSelector: 'list=yes', limit: 2, _continue: first.metadata?._continue ?? '' });
    expect(second.items.map(({ metadata }) => metadata?.name)).toEqual(['l3']);
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'list=yes' });
    expect(await failure(core.readNamespacedConfigMap({ name: 'l1', namespace }))).toMatchObject({ code: 404, body: { kind: 'Status', reason: 'NotFound', details: { name: 'l1', kind: 'configmaps' } } });
    expect(await failure(core.createNamespacedConfigMap({ namespace, body: map('UPPER') }))).toMatchObject({ code: 422, body: { reason: 'Invalid', details: { causes: [{ field: 'metadata.name' }] } } });
  });

  it('writes quantities, dates and int-or-string as they were', async () => {
    const apps = config.makeApiClient(k8s.AppsV1Api);
    const body: k8s.V1Deployment = { metadata: { name: 'typed' }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, strategy: { rollingUpdate: { maxSurge: '50%', maxUnavailable: 1 } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '0.5' } } }] } } } };
    const made = await apps.createNamespacedDeployment({ namespace, body });
    expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
    expect([made.spec?.strategy?.rollingUpdate, made.spec?.template.spec?.containers[0]?.resources?.requests]).toEqual([{ maxSurge: '50%', maxUnavailable: 1 }, { cpu: '500m' }]);
    // The deployment controller writes it too: as every client of the sort, again after a conflict.
    const scaled = await eventually(async () => apps.replaceNamespacedDeploymentScale({ name: 'typed', namespace, body: { ...(await apps.readNamespacedDeploymentScale({ name: 'typed', namespace })), spec: { replicas: 1 } } }), { what: 'a write without conflict' });
    expect(scaled.spec?.replicas).toBe(1);
    expect(await apps.deleteNamespacedDeployment({ name: 'typed', namespace })).toMatchObject({ status: 'Success' });
  });
});

describe('the client of any object', () => {
  const group = 'node.example.com';
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things.${group}` },
    spec: { group, scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } } } }] },
  };
  interface Thing extends k8s.KubernetesObject {
    spec?: { size: number };
  }

  it('makes a kind, and goes through the life of its objects', async () => {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    await objects.create(definition as k8s.KubernetesObject);
    const thing: Thing = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 't', namespace }, spec: { size: 1 } };
    await eventually(() => objects.create(thing), { what: 'the kind is served' });
    const header = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 't', namespace } };
    expect((await objects.patch<Thing>({ ...header, spec: { size: 2 } } as Thing, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch)).spec).toEqual({ size: 2 });
    expect((await objects.patch<Thing>({ ...header, spec: { size: 3 } } as Thing, undefined, undefined, 'me', true, k8s.PatchStrategy.ServerSideApply)).spec).toEqual({ size: 3 });
    const read = await objects.read<Thing>(header);
    expect((await objects.replace<Thing>({ ...read, spec: { size: 4 } })).metadata?.generation).toBe(4);
    expect(await failure(objects.replace<Thing>({ ...read, spec: { size: 5 } }))).toMatchObject({ code: 409, body: { reason: 'Conflict' } });
    expect((await objects.list<Thing>(`${group}/v1`, 'Thing', namespace)).items.map(({ spec }) => spec?.size)).toEqual([4]);
    await objects.delete(header);
    expect(await failure(objects.read(header))).toMatchObject({ code: 404 });
    await objects.delete(definition as k8s.KubernetesObject);
  });
});

describe('streams', () => {
  interface Ran {
    readonly out: string;
    readonly err: string;
    readonly status: k8s.V1Status;
  }
  async function run(command: string[], { input, tty = false }: { input?: Readable; tty?: boolean } = {}): Promise<Ran> {
    const [out, err] = [sink(), sink()];
    const status = await new Promise<k8s.V1Status>((resolve, reject) => {
      new k8s.Exec(config).exec(namespace, 'shell', 'c', command, out.stream, tty ? null : err.stream, input ?? null, tty, resolve).catch(reject);
    });
    return { out: out.text(), err: err.text(), status };
  }

  it('run commands: both outputs, exit codes, input, a terminal', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2'])).toMatchObject({ out: 'out\n', err: 'err\n', status: { status: 'Success' } });
    expect((await run(['sh', '-c', 'exit 7'])).status).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '7' }] } });
    const input = new PassThrough();
    input.end('through the pipe\n');
    expect((await run(['head', '-n', '1'], { input })).out).toBe('through the pipe\n');
    expect((await run(['sh', '-c', 'echo on a terminal'], { tty: true })).out).toBe('on a terminal\r\n');
    const pods = new k8s.Exec(config).exec(namespace, 'nope', 'c', ['true'], null, null, null, false);
    await expect(pods).rejects.toMatchObject({ message: expect.stringContaining('404') });
  });

  it('attach to what runs', async () => {
    const [out, input] = [sink(), new PassThrough()];
    const socket = await new k8s.Attach(config).attach(namespace, 'shell', 'c', out.stream, null, input, false);
    input.write('attached\n');
    await eventually(() => out.text().includes('got attached\n'), { what: 'an answer' });
    socket.close();
  });

  it('follow logs as they come, and show their end', async () => {
    const log = new k8s.Log(config);
    const followed = sink();
    await core.createNamespacedPod({ namespace, body: { metadata: { name: 'brief' }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo begins; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo ends'] }] } } });
    await eventually(async () => (await core.readNamespacedPod({ name: 'brief', namespace })).status?.phase === 'Running', { what: 'it runs' });
    await log.log(namespace, 'brief', 'c', followed.stream, { follow: true });
    await eventually(() => followed.text() === 'begins\n', { what: 'what is there' });
    await new k8s.Exec(config).exec(namespace, 'brief', 'c', ['touch', '/tmp/end'], sink().stream, null, null, false);
    await eventually(() => followed.stream.writableFinished && followed.text() === 'begins\nends\n', { what: 'the rest, and the end' });
    const last = sink();
    await log.log(namespace, 'shell', 'c', last.stream, { tailLines: 1, timestamps: true });
    await eventually(() => /^\d{4}-\d\d-\d\dT\S+Z .+\n$/.test(last.text()), { what: 'the last line' });
  });

  it('copy both ways', async () => {
    const from = join(home, 'from');
    mkdirSync(from);
    writeFileSync(join(from, 'file'), 'copied\n');
    const cp = new k8s.Cp(config);
    await cp.cpToPod(namespace, 'shell', 'c', from, '/tmp');
    await eventually(async () => (await run(['cat', '/tmp/file'])).out === 'copied\n', { what: 'the copy in the container' });
    const back = join(home, 'back');
    mkdirSync(back);
    await cp.cpFromPod(namespace, 'shell', 'c', 'file', back, '/tmp');
    await eventually(() => readFileSync(join(back, 'file'), 'utf8') === 'copied\n', { what: 'the copy of the copy' });
  });

  it('forward ports', async () => {
    const [out, input] = [sink(), new PassThrough()];
    const socket = await new k8s.PortForward(config).portForward(namespace, 'web', [80], out.stream, null, input);
    input.write('GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n');
    await eventually(() => /^HTTP\/1\.1 200 OK[\s\S]*nginx/.test(out.text()), { what: 'an answer over the forwarded port' });
    (typeof socket === 'function' ? socket() : socket)?.close();
  });
});

describe('watches', () => {
  it('end when their time is over, with bookmarks before, and refuse what makes no sense', async () => {
    const phases: string[] = [];
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const watch = (query: Record<string, string | number | boolean>) => new Promise<Error | null>((resolve, reject) => {
      new k8s.Watch(config).watch(path, query, (phase) => phases.push(phase), resolve).catch(reject);
    });
    await core.createNamespacedConfigMap({ namespace, body: map('watched') });
    // The client tells an ordinary end by null.
    expect(await watch({ timeoutSeconds: 1, allowWatchBookmarks: true, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', labelSelector: 'from=node' })).toBeNull();
    expect(phases.slice(-1)).toEqual(['BOOKMARK']);
    expect(phases).toContain('ADDED');
    const expired = watch({ resourceVersion: '1', resourceVersionMatch: 'Exact' });
    await expect(expired).resolves.toMatchObject({ statusCode: 422 });
  });

  it('inform of every change, over a restart of the server too', { timeout: 90_000 }, async () => {
    const seen: string[] = [];
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const informer = k8s.makeInformer(config, path, () => core.listNamespacedSecret({ namespace, labelSelector: 'inform=yes' }), 'inform=yes');
    for (const verb of ['add', 'update', 'delete'] as const) informer.on(verb, ({ metadata }) => void seen.push(`${verb} ${metadata?.name ?? ''}`));
    let stopped = false;
    informer.on('error', () => void (stopped || setTimeout(() => void informer.start().catch(() => undefined), 200)));
    const secret = (name: string, stringData = {}): k8s.V1Secret => ({ metadata: { name, labels: { inform: 'yes' } }, stringData });
    const sees = (what: string) => eventually(() => seen.includes(what), { what: `to see ${what} (saw ${seen.join(', ')})`, withinMs: 30_000 });
    await core.createNamespacedSecret({ namespace, body: secret('before') });
    await informer.start();
    await sees('add before');
    await core.createNamespacedSecret({ namespace, body: secret('one') });
    await sees('add one');
    await core.replaceNamespacedSecret({ name: 'one', namespace, body: secret('one', { a: 'b' }) });
    await sees('update one');
    // Leaves the selector: to the informer it is gone.
    await core.patchNamespacedSecret({ name: 'one', namespace, body: { metadata: { labels: null } } }, k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch));
    await sees('delete one');
    await cluster.kill9();
    await cluster.up();
    await eventually(() => core.createNamespacedSecret({ namespace, body: secret('after') }), { what: 'a write after the restart' });
    await sees('add after');
    await core.deleteNamespacedSecret({ name: 'before', namespace });
    await sees('delete before');
    expect(informer.list().map(({ metadata }) => metadata?.name)).toEqual(['after']);
    stopped = true;
    await informer.stop();
  });

  it('and metrics of nodes and pods', async () => {
    const metrics = new k8s.Metrics(config);
    await eventually(async () => expect((await metrics.getNodeMetrics()).items.length).toBeGreaterThan(0), { what: 'metrics of a node', withinMs: 60_000 });
    expect(await metrics.getPodMetrics(namespace)).toMatchObject({ kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1' });
  }, 90_000);
});
