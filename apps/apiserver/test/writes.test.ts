import { ConfigMaps } from '@orrery/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdmissionPlugin } from '../src/pipeline/index.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.stop());

const configMaps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const json = 'application/json-patch+json';
const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const applied = 'application/apply-patch+yaml';

interface Answer {
  readonly code: number;
  readonly body: any;
  readonly warnings: readonly string[];
  readonly retryAfter: string | null;
}

async function send(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
  const payload = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const reply = await fetch(t.url + path, { method, headers: { 'content-type': type, 'user-agent': 'tester/1' }, ...payload });
  const warnings = (reply.headers.get('warning') ?? '').split(/(?:^|, )299 - /).slice(1).map((text) => JSON.parse(text) as string);
  return { code: reply.status, body: await reply.json(), warnings, retryAfter: reply.headers.get('retry-after') };
}

async function made(path: string, object: object): Promise<any> {
  const { code, body } = await send('POST', path, object);
  expect(code, JSON.stringify(body)).toBe(201);
  return body;
}

const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const deployment = (name: string): object => ({ metadata: { name }, spec: { selector: { matchLabels: { app: 'x' } }, template } });

describe('patches that are held against fields', () => {
  const doubled = '{"spec":{"unknown1":1,"paused":true,"paused":false,"template":{"spec":{"containers":[{"name":"c","unknownNested":1}]}}}}';
  const listed = 'duplicate field "spec.paused", unknown field "spec.template.spec.containers[0].unknownNested", unknown field "spec.unknown1"';

  beforeAll(() => made(deployments, deployment('fields')));

  it.each([
    [strategic, doubled, listed],
    [merge, doubled.replace('"name":"c"', '"name":"c","image":"i"'), listed],
    [json, '[{"op":"add","path":"/spec/unknown1","value":1,"foo":"x"},{"op":"add","path":"/spec/paused","path":"/spec/paused","value":true}]', 'json patch unknown field "[0].foo", json patch duplicate field "[1].path", unknown field "spec.unknown1"'],
  ])('%s', async (type, patch, problems) => {
    const refused = await send('PATCH', `${deployments}/fields?fieldValidation=Strict`, patch, type);
    expect([refused.code, refused.body.reason, refused.body.details.causes[0].field]).toEqual([422, 'Invalid', 'patch']);
    expect(refused.body.message).toMatch(/^ "" is invalid: patch: Invalid value: /);
    expect(refused.body.message.split('strict decoding error: ')[1]).toBe(problems);
    const warned = await send('PATCH', `${deployments}/fields?dryRun=All`, patch, type);
    expect([warned.code, warned.warnings.join(', ')]).toEqual([200, problems]);
    const ignored = await send('PATCH', `${deployments}/fields?dryRun=All&fieldValidation=Ignore`, patch, type);
    expect([ignored.code, ignored.warnings]).toEqual([200, []]);
  });

  it('applied YAML', async () => {
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata:\n  a: "1"\n  a: "2"\n';
    const strict = await send('PATCH', `${configMaps}/yaml?fieldManager=m&fieldValidation=Strict`, text, applied);
    expect([strict.code, strict.body.message]).toEqual([400, 'error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key "a" already set in map']);
    const warned = await send('PATCH', `${configMaps}/yaml?fieldManager=m`, text, applied);
    expect([warned.code, warned.warnings, warned.body.data]).toEqual([201, ['line 6: key "a" already set in map'], { a: '2' }]);
  });
});

describe('admission of new objects', () => {
  /** Adds a key, and gives what the sender owns to nobody that can be read where it is told to. */
  const plugin: AdmissionPlugin = {
    name: 'Test',
    handles: ({ kind }) => kind.kind === 'ConfigMap',
    admit({ object }) {
      const { metadata, data } = object as { metadata: { managedFields?: unknown }; data: Record<string, string> };
      data['added'] = 'by admission';
      if (data['spoil']) metadata.managedFields = [{ manager: 'spoiled', operation: 'Nothing' }];
    },
  };

  it.each<Record<string, string>>([{ sent: '1' }, { sent: '1', spoil: 'yes' }])('leaves who owns what as it was sent: %o', async (data) => {
    const admitting = await startTestServer({}, { plugins: [() => ({ admission: [plugin] })] });
    try {
      const made: any = await admitting.api.create(ConfigMaps, { metadata: { name: 'owned', namespace: 'default' }, data });
      expect(made.data).toEqual({ ...data, added: 'by admission' });
      const owned = Object.keys(data).map((key) => `f:${key}`);
      expect(made.metadata.managedFields.map(({ fieldsV1 }: { fieldsV1: object }) => fieldsV1)).toEqual([{ 'f:data': Object.fromEntries([['.', {}], ...owned.map((key) => [key, {}])]) }]);
    } finally {
      await admitting.stop();
    }
  });
});

describe('bodies', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const typeMeta = String.raw`struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`;
  const unrecognized = 'the object provided is unrecognized (must be of type ConfigMap): couldn\'t get version/kind; json parse error: ';

  it.each([
    ['null', 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
    ['[]', 400, `${unrecognized}json: cannot unmarshal array into Go value of type ${typeMeta} (5b5d)`],
    ['{"apiVersion":1}', 400, `${unrecognized}json: cannot unmarshal number into Go struct field .apiVersion of type string ({"apiVersion":1})`],
    [`{"x":${nested(20_000)}}`, 400, `${unrecognized}invalid character '[' exceeded max depth ({"x":[[[[[[[[[[[[[[[[[[[[[[[[[ ...)`],
    [`{"x":${nested(900)},"metadata":{}}`, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
  ])('%.40s', async (text, code, message) => {
    const { body } = await send('POST', configMaps, text);
    expect([body.code, body.message]).toEqual([code, message]);
  });

  it('of YAML that nests too deeply', async () => {
    const { body } = await send('POST', configMaps, `x: ${nested(50_000)}`, 'application/yaml');
    expect([body.code, body.message]).toEqual([400, expect.stringContaining('yaml: exceeded max depth of 10000')]);
  });
});

describe('patches that are none', () => {
  beforeAll(() => made(configMaps, { metadata: { name: 'target' } }));

  it.each([
    [json, '{', 400, 'error decoding patch: unexpected end of JSON input'],
    [json, '{}', 400, 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    [json, '[{"op":"test","path":"/data/x","value":"1"}]', 422, 'the server rejected our request due to an error in our request'],
    [json, JSON.stringify(Array(10_001).fill({ op: 'add', path: '/data', value: {} })), 413, 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001'],
    [merge, '[]', 400, 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}'],
    [merge, 'null', 400, 'Invalid JSON Patch'],
    [strategic, '"x"', 400, 'json: cannot unmarshal string into Go value of type map[string]interface {}'],
    [strategic, '{"metadata":{"ownerReferences":[{"name":"x"}]}}', 500, 'map: map[name:x] does not contain declared merge key: uid'],
    [strategic, '{"metadata":{"$patch":"x"}}', 500, 'unknown patch type: x in map: map[$patch:x]'],
    [strategic, '{"metadata":{"$retainKeys":1}}', 400, 'invalid patch format of retainKeys'],
    [applied, '- a', 400, 'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}'],
    [applied, '', 400, 'invalid object type: /, Kind='],
    [applied, '{"apiVersion":"v1","kind":"Secret"}', 400, 'invalid object type: /v1, Kind=Secret'],
    [applied, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"managedFields":[]}}', 400, 'metadata.managedFields must be nil'],
  ])('%s %.60s', async (type, patch, code, message) => {
    const owned = await send('PATCH', `${configMaps}/target`, { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'o', uid: 'u' }] } }, merge);
    expect(owned.code).toBe(200);
    const { body } = await send('PATCH', `${configMaps}/target?fieldManager=m`, patch, type);
    expect([body.code, body.message]).toEqual([code, message]);
  });
});

describe('whose object it is', () => {
  it('a PUT for another uid is a conflict, also where it could create; a patch to another uid is invalid', async () => {
    const { metadata } = await made(configMaps, { metadata: { name: 'uid' } });
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const text = (resource: string, name: string, found: string): string =>
      `Operation cannot be fulfilled on ${resource} "${name}": StorageError: invalid object, Code: 4, Key: ${t.store.prefix}/${resource.split('.')[0]}/default/${name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: ${found}`;
    const put = await send('PUT', `${configMaps}/uid`, { metadata: { name: 'uid', uid: 'other' } });
    expect([put.code, put.body.message]).toEqual([409, text('configmaps', 'uid', metadata.uid)]);
    const gone = await send('PUT', `${configMaps}/nothing`, { metadata: { name: 'nothing', uid: 'other' } });
    expect([gone.code, gone.body.message]).toEqual([404, 'configmaps "nothing" not found']);
    const created = await send('PUT', `${leases}/nothing`, { metadata: { name: 'nothing', uid: 'other' } });
    expect([created.code, created.body.message]).toEqual([409, text('leases.coordination.k8s.io', 'nothing', '')]);
    const patched = await send('PATCH', `${configMaps}/uid`, { metadata: { uid: 'other' } }, merge);
    expect([patched.code, patched.body.message]).toEqual([422, 'ConfigMap "uid" is invalid: metadata.uid: Invalid value: "other": field is immutable']);
  });

  it('a nameless one is refused', async () => {
    await made(configMaps, { metadata: { name: 'named' } });
    const message = 'the name of the object (named based on URL) was undeterminable: name must be provided';
    const put = await send('PUT', `${configMaps}/named`, {});
    expect([put.code, put.body.message]).toEqual([400, message]);
    const patched = await send('PATCH', `${configMaps}/named`, { metadata: { name: null } }, merge);
    expect([patched.code, patched.body.message]).toEqual([400, message]);
    const renamed = await send('PATCH', `${configMaps}/named`, { metadata: { name: 'other' } }, merge);
    expect([renamed.code, renamed.body.message]).toEqual([400, 'the name of the object (other) does not match the name on the URL (named)']);
    const unknown = await send('PUT', `${configMaps}/nowhere`, { metadata: { name: 'other' } });
    expect([unknown.code, unknown.body.message]).toEqual([400, 'the name of the object (other) does not match the name on the URL (nowhere)']);
    const moved = await send('PATCH', `${configMaps}/named`, { metadata: { namespace: 'other' } }, merge);
    expect([moved.code, moved.body.message]).toEqual([400, 'the namespace of the provided object does not match the namespace sent on the request']);
  });

  it('a version that is missing or none is told', async () => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    await made(leases, { metadata: { name: 'versioned' } });
    const none = await send('PUT', `${leases}/versioned`, { metadata: { name: 'versioned' } });
    expect([none.code, none.body.message]).toEqual([422, 'leases.coordination.k8s.io "versioned" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update']);
    const odd = await send('PUT', `${leases}/versioned`, { metadata: { name: 'versioned', resourceVersion: 'x' } });
    expect([odd.code, odd.body.message]).toEqual([500, 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax']);
  });

  it('deletion holds its preconditions', async () => {
    const { metadata } = await made(deployments, deployment('precious'));
    const uid = await send('DELETE', `${deployments}/precious`, { preconditions: { uid: 'x' } });
    expect([uid.code, uid.body.message]).toEqual([409, `Operation cannot be fulfilled on Deployment.apps "precious": the UID in the precondition (x) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`]);
    const version = await send('DELETE', `${deployments}/precious`, { preconditions: { resourceVersion: '1' } });
    expect([version.code, version.body.message]).toEqual([409, `Operation cannot be fulfilled on Deployment.apps "precious": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`]);
    expect((await send('DELETE', `${deployments}/precious`, { preconditions: { uid: metadata.uid, resourceVersion: metadata.resourceVersion } })).code).toBe(200);
  });
});

describe('the system priority classes', () => {
  it('are there to stay, unless a collection is deleted', async () => {
    const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';
    const refused = await send('DELETE', `${classes}/system-node-critical`);
    expect([refused.code, refused.body.message]).toEqual([403, 'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted']);
    expect((await send('DELETE', `${classes}?dryRun=All&fieldSelector=metadata.name=system-node-critical`)).code).toBe(200);
  });
});

describe('names that are taken', () => {
  it('of an object that is being deleted', async () => {
    await made(configMaps, { metadata: { name: 'ending', finalizers: ['example.com/stay'] } });
    expect((await send('DELETE', `${configMaps}/ending`)).code).toBe(200);
    const again = await send('POST', configMaps, { metadata: { name: 'ending' } });
    expect([again.code, again.body.message]).toEqual([409, 'object is being deleted: configmaps "ending" already exists']);
    const finalizer = await send('PATCH', `${configMaps}/ending`, [{ op: 'add', path: '/metadata/finalizers/-', value: 'example.com/new' }], json);
    expect([finalizer.code, finalizer.body.message]).toEqual([422, 'ConfigMap "ending" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/new"}']);
    expect((await send('PATCH', `${configMaps}/ending`, { metadata: { finalizers: null } }, merge)).code).toBe(200);
    expect((await send('GET', `${configMaps}/ending`)).code).toBe(404);
  });

  it('and could have been generated', async () => {
    await made(configMaps, { metadata: { name: 'gen', generateName: 'gen-' } });
    const again = await send('POST', configMaps, { metadata: { name: 'gen', generateName: 'gen-' } });
    expect([again.code, again.body.reason, again.body.message, again.retryAfter]).toEqual([409, 'AlreadyExists', 'configmaps "gen" already exists, the server was not able to generate a unique name for the object', '1']);
  });
});

describe('owner references', () => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'o', uid: 'u-1' };
  const warning = (after = ''): string =>
    `.metadata.ownerReferences contains duplicate entries${after}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u-1`;

  it('that are doubled go, with a warning', async () => {
    const created = await send('POST', configMaps, { metadata: { name: 'owned', ownerReferences: [owner, owner, { ...owner, name: 'p' }] } });
    expect([created.body.metadata.ownerReferences, created.warnings]).toEqual([[owner, { ...owner, name: 'p' }], [warning()]]);
    const put = await send('PUT', `${configMaps}/owned`, { metadata: { name: 'owned', ownerReferences: [owner, owner] } });
    expect([put.body.metadata.ownerReferences, put.warnings]).toEqual([[owner], [warning()]]);
    const patched = await send('PATCH', `${configMaps}/owned`, { metadata: { ownerReferences: [owner, owner] } }, merge);
    expect([patched.body.metadata.ownerReferences, patched.warnings]).toEqual([[owner], [warning(' after mutating admission happens')]]);
  });
});

describe('options', () => {
  it.each([
    ['POST', `${configMaps}?fieldValidation=x`, {}, 'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"'],
    ['POST', `${configMaps}?fieldManager=a%00b%C3%A9%E2%80%A8`, {}, 'CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "a\\u0000bé\u2028": invalid character U+0000 (at position 1), fieldManager: Invalid value: "a\\u0000bé\u2028": invalid character U+2028 (at position 5)]'],
    ['POST', `${configMaps}?fieldManager=${'x'.repeat(129)}`, {}, 'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'],
    ['DELETE', `${configMaps}/none`, { propagationPolicy: 'x' }, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"'],
    ['DELETE', `${configMaps}/none`, { propagationPolicy: 'Orphan', orphanDependents: true }, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set'],
  ])('%s %s', async (method, path, body, message) => {
    const answer = await send(method, path, body);
    expect([answer.code, answer.body.message]).toEqual([422, message]);
  });

  it('the manager is what is printable of the user agent', async () => {
    const { metadata } = await made(configMaps, { metadata: { name: 'agent' } });
    expect(metadata.managedFields ?? []).toEqual([]);
    const { body } = await send('PATCH', `${configMaps}/agent`, { data: { a: 'b' } }, merge);
    expect(body.metadata.managedFields ?? []).toEqual([]);
    const tracked = await made(configMaps, { metadata: { name: 'tracked' }, data: { a: 'b' } });
    expect(tracked.metadata.managedFields.map((entry: { manager: string }) => entry.manager)).toEqual(['tester']);
  });
});

describe('appliers of different versions', () => {
  const path = (version: string): string => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  const cpu = (averageUtilization: number): object => ({ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } });
  const apply = (version: string, manager: string, name: string, spec: object): Promise<Answer> =>
    send('PATCH', `${path(version)}/${name}?fieldManager=${manager}`, { apiVersion: `autoscaling/${version}`, kind: 'HorizontalPodAutoscaler', metadata: { name }, spec }, applied);
  const owners = ({ body }: Answer): string[] => body.metadata.managedFields.map(({ manager, apiVersion, fieldsV1 }: any) => `${manager} ${apiVersion} ${Object.keys(fieldsV1['f:spec']).sort().join(' ')}`);

  it('see each other', async () => {
    const first = await apply('v1', 'a', 'hpa', { scaleTargetRef: target, maxReplicas: 3, targetCPUUtilizationPercentage: 50 });
    expect([first.code, ...owners(first)]).toEqual([201, 'a autoscaling/v1 f:maxReplicas f:scaleTargetRef f:targetCPUUtilizationPercentage']);
    const conflict = await apply('v2', 'b', 'hpa', { scaleTargetRef: target, maxReplicas: 5, metrics: [cpu(70)] });
    expect([conflict.code, conflict.body.details.causes]).toEqual([409, ['.spec.maxReplicas', '.spec.targetCPUUtilizationPercentage'].map((field) => ({ reason: 'FieldManagerConflict', message: 'conflict with "a"', field }))]);
    const agreed = await apply('v2', 'b', 'hpa', { scaleTargetRef: target, maxReplicas: 3 });
    expect([agreed.code, ...owners(agreed)]).toEqual([200, 'a autoscaling/v1 f:maxReplicas f:scaleTargetRef f:targetCPUUtilizationPercentage', 'b autoscaling/v2 f:maxReplicas f:scaleTargetRef']);
    const less = await apply('v1', 'a', 'hpa', { targetCPUUtilizationPercentage: 50 });
    expect([less.code, less.body.spec.maxReplicas, less.body.spec.scaleTargetRef]).toEqual([200, 3, target]);
  });

  it('lose what an update at another version changes', async () => {
    const made = await apply('v1', 'a', 'updated', { scaleTargetRef: target, maxReplicas: 3, targetCPUUtilizationPercentage: 50 });
    const put = await send('PUT', `${path('v2')}/updated`, { metadata: { name: 'updated' }, spec: { scaleTargetRef: target, maxReplicas: 3, metrics: [cpu(60)] } });
    expect([made.code, put.code, ...owners(put)]).toEqual([201, 200, 'a autoscaling/v1 f:maxReplicas f:scaleTargetRef', 'tester autoscaling/v2 f:metrics']);
  });

  it('may change their version, and give up what they had by its old name', async () => {
    await apply('v1', 'a', 'moved', { scaleTargetRef: target, maxReplicas: 3, minReplicas: 2, targetCPUUtilizationPercentage: 50 });
    const moved = await apply('v2', 'a', 'moved', { scaleTargetRef: target, maxReplicas: 3, metrics: [cpu(50)] });
    expect([moved.code, moved.body.spec.minReplicas, moved.body.spec.metrics, ...owners(moved)]).toEqual([200, 1, [cpu(50)], 'a autoscaling/v2 f:maxReplicas f:metrics f:scaleTargetRef']);
  });
});

describe('apply of a scale', () => {
  const apply = (manager: string, body: object, more = ''): Promise<Answer> =>
    send('PATCH', `${deployments}/scaled/scale?fieldManager=${manager}${more}`, { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'scaled' }, ...body }, applied);

  it('owns the replicas under its own name', async () => {
    await send('PATCH', `${deployments}/scaled?fieldManager=main`, { apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('scaled') }, applied);
    const done = await apply('scaler', { spec: { replicas: 4 } });
    expect([done.code, done.body.kind, done.body.spec]).toEqual([200, 'Scale', { replicas: 4 }]);
    const { body } = await send('GET', `${deployments}/scaled`);
    expect([body.spec.replicas, body.metadata.managedFields.map(({ manager, subresource, fieldsV1 }: any) => [manager, subresource, fieldsV1['f:spec']]).at(-1)]).toEqual([4, ['scaler', 'scale', { 'f:replicas': {} }]]);
    const again = await apply('other', { spec: { replicas: 5 } });
    expect([again.code, again.body.message]).toEqual([409, 'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas']);
    expect((await apply('other', { spec: { replicas: 5 } }, '&force=true')).body.spec).toEqual({ replicas: 5 });
  });

  it.each([
    [{ kind: 'Deployment' }, 400, 'invalid object type: autoscaling/v1, Kind=Deployment'],
    [{ spec: { foo: 1 } }, 500, 'failed to create typed patch object (/scaled; autoscaling/v1, Kind=Scale): .spec.foo: field not declared in schema'],
    [{ spec: { replicas: -1 } }, 422, 'Scale.autoscaling "scaled" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    [{ metadata: { name: 'x' } }, 400, 'the name of the object (x) does not match the name on the URL (scaled)'],
  ])('%j', async (body, code, message) => {
    const answer = await apply('m', body);
    expect([answer.code, answer.body.message]).toEqual([code, message]);
  });
});

describe('who may change but not create', () => {
  it('neither applies nor puts what is not there', async () => {
    const guarded = await startTestServer({}, { plugins: [() => ({ authorizers: [{ name: 'no creating', authorize: ({ info }) => ({ decision: info.verb === 'create' && info.resource !== 'namespaces' ? 'noOpinion' : 'allow', reason: '' }) }] })] });
    const ask = async (method: string, path: string, type: string, body: object): Promise<unknown[]> => {
      const reply = await fetch(guarded.url + path, { method, headers: { 'content-type': type }, body: JSON.stringify(body) });
      const { message } = (await reply.json()) as { message?: string };
      return [reply.status, message];
    };
    try {
      const { name, ...lease } = { name: 'l', apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' } };
      const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
      expect(await ask('PATCH', `${leases}/${name}?fieldManager=m`, applied, lease)).toEqual([403, 'leases.coordination.k8s.io "l" is forbidden: ']);
      expect(await ask('PUT', `${leases}/${name}`, 'application/json', lease)).toEqual([403, 'leases.coordination.k8s.io "l" is forbidden: ']);
    } finally {
      await guarded.stop();
    }
  });
});
