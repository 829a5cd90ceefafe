import { MutatingWebhookConfigurations, Namespaces, ValidatingWebhookConfigurations, allKinds } from '@orrery/api';
import { StatusError } from '@orrery/errors';
import { describe, expect, it } from 'vitest';
import type { AdmissionAttributes, Authorizer, KindLookup, Rounds } from '../../pipeline/index.ts';
import { FakeCluster, type Attempt, allowNothing, attempt, kindOf } from '../../testing/fake-cluster.ts';
import type { Caller } from './caller.ts';
import { mutatingWebhooks, validatingWebhooks } from './index.ts';
import { isExempt, ruleMatches } from './match.ts';

const kinds: KindLookup = {
  get: (group, version, resource) => allKinds.find((one) => one.group === group && one.version === version && one.resource === resource),
  kept: () => undefined,
  byKind: (group, version, kind) => allKinds.find((one) => one.group === group && one.version === version && one.kind === kind),
  all: () => allKinds,
};
const everyRule = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], scope: '*' };

type Fields = Record<string, unknown>;
interface Asked {
  readonly url: string;
  readonly request: Fields & { uid: string; object: any };
  readonly body: any;
}

const encoded = (patch: unknown): string => Buffer.from(JSON.stringify(patch)).toString('base64');

/** A cluster with webhooks named by their URLs, which `answer` answers. */
function setup(answer: (asked: Asked) => Fields | Promise<Fields>, authorize: Authorizer['authorize'] = allowNothing) {
  const cluster = new FakeCluster();
  cluster.put(Namespaces, { metadata: { name: 'default', labels: { team: 'a' } } });
  const asked: Asked[] = [];
  const caller: Caller = async ({ config, body }) => {
    const one = { url: config.url ?? '', request: (body as { request: Asked['request'] }).request, body };
    asked.push({ ...one, request: structuredClone(one.request) });
    return { apiVersion: (body as { apiVersion: string }).apiVersion, kind: 'AdmissionReview', response: { uid: one.request.uid, ...(await answer(one)) } };
  };
  const needs = { env: cluster.env, read: cluster.read, kinds, authorize };
  const [mutating, validating] = [mutatingWebhooks(needs, caller) as any, validatingWebhooks(needs, caller) as any];
  const hook = (name: string, more: Fields = {}): Fields => ({
    name, clientConfig: { url: name }, rules: [everyRule], sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail', timeoutSeconds: 10, ...more,
  });
  return {
    cluster, asked, mutating, validating,
    mutates: (name: string, more?: Fields) => cluster.put(MutatingWebhookConfigurations, { metadata: { name }, webhooks: [hook(`${name}.example.com`, more)] } as never),
    validates: (name: string, more?: Fields) => cluster.put(ValidatingWebhookConfigurations, { metadata: { name }, webhooks: [hook(`${name}.example.com`, more)] } as never),
  };
}

const pod = (labels: Fields = {}): Attempt => ({ resource: 'pods', object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default', labels }, spec: { containers: [{ name: 'c', image: 'i' }] } } });

async function failure(run: Promise<unknown>): Promise<StatusError> {
  const error: unknown = await run.then(() => undefined, (one: unknown) => one);
  if (!(error instanceof StatusError)) throw new Error(`expected a status, got ${String(error)}`);
  return error;
}

describe('rules', () => {
  const on = (resource: string, more: Partial<Attempt> = {}): AdmissionAttributes => attempt({ resource, ...more });
  it.each([
    ['a resource', { resources: ['pods'] }, on('pods'), true],
    ['another resource', { resources: ['services'] }, on('pods'), false],
    ['no subresource by a bare name', { resources: ['pods'] }, on('pods', { subresource: 'status' }), false],
    ['no subresource by *', { resources: ['*'] }, on('pods', { subresource: 'status' }), false],
    ['a subresource', { resources: ['pods/exec'] }, on('pods', { subresource: 'exec', operation: 'CONNECT' }), true],
    ['all of a resource', { resources: ['pods/*'] }, on('pods'), true],
    ['a subresource of all', { resources: ['*/scale'] }, on('deployments', { group: 'apps', subresource: 'scale' }), true],
    ['everything', {}, on('pods', { subresource: 'status' }), true],
    ['another group', { apiGroups: ['apps'] }, on('pods'), false],
    ['another version', { apiVersions: ['v2'] }, on('pods'), false],
    ['another operation', { operations: ['DELETE'] }, on('pods'), false],
    ['namespaced', { scope: 'Namespaced' }, on('pods'), true],
    ['not the cluster', { scope: 'Cluster' }, on('pods'), false],
    ['a namespace is of the cluster', { scope: 'Cluster' }, on('namespaces'), true],
  ])('%s', (_name, rule, attributes, matches) => {
    expect(ruleMatches({ ...everyRule, ...rule }, attributes)).toBe(matches);
  });

  it('never shows webhooks what decides about webhooks', () => {
    const group = 'admissionregistration.k8s.io';
    expect(isExempt({ kind: kindOf('mutatingwebhookconfigurations', group) })).toBe(true);
    expect(isExempt({ kind: kindOf('pods') })).toBe(false);
  });
});

describe('selection', () => {
  const called = async (more: Fields, write: Attempt = pod()): Promise<boolean> => {
    const { validates, validating, asked } = setup(() => ({ allowed: true }));
    validates('one', more);
    await validating.validate(attempt(write));
    return asked.length > 0;
  };

  it('selects by labels of the namespace and of the object, old or new', async () => {
    expect(await called({ namespaceSelector: { matchLabels: { team: 'a' } } })).toBe(true);
    expect(await called({ namespaceSelector: { matchLabels: { team: 'b' } } })).toBe(false);
    expect(await called({ objectSelector: { matchLabels: { x: 'y' } } })).toBe(false);
    expect(await called({ objectSelector: { matchLabels: { x: 'y' } } }, pod({ x: 'y' }))).toBe(true);
    expect(await called({ objectSelector: { matchLabels: { x: 'y' } } }, { ...pod(), operation: 'UPDATE', oldObject: pod({ x: 'y' }).object })).toBe(true);
  });

  it('asks conditions; what cannot be evaluated goes by failurePolicy', async () => {
    const condition = (expression: string): Fields => ({ matchConditions: [{ name: 'c', expression }] });
    expect(await called(condition("object.metadata.name == 'p' && oldObject == null && request.operation == 'CREATE'"))).toBe(true);
    expect(await called(condition("request.userInfo.username == 'bob'"))).toBe(false);
    expect(await called({ ...condition('object.nothing.here == 1'), failurePolicy: 'Ignore' })).toBe(false);
    const error = await failure(called(condition('object.nothing == 1')));
    expect([error.code, error.message]).toEqual([403, `pods "p" is forbidden: expression 'object.nothing == 1' resulted in error: no such key: nothing`]);
  });

  it('lets conditions ask the authorizer, and counts what they leave out', async () => {
    const expression = "authorizer.requestResource.check('breakglass').allowed()";
    const { validates, validating, asked, cluster } = setup(() => ({ allowed: true }), ({ user, info }) => ({ decision: user.username === 'root' && info.verb === 'breakglass' ? 'allow' : 'noOpinion', reason: '' }));
    validates('one', { matchConditions: [{ name: 'c', expression: `!${expression}` }] });
    await validating.validate(attempt({ ...pod(), user: { username: 'root', groups: [] } }));
    expect(asked.length).toBe(0);
    await validating.validate(attempt(pod()));
    expect(asked.length).toBe(1);
    expect(cluster.env.metrics.expose()).toContain('apiserver_admission_match_condition_exclusions_total{kind="webhook",name="one.example.com",operation="CREATE",type="validating"} 1');
  });

  it('shows an equivalent kind when the rule names another version, unless it is to match exactly', async () => {
    const hpa: Attempt = { resource: 'horizontalpodautoscalers', group: 'autoscaling', object: { metadata: { name: 'h', namespace: 'default' }, spec: { maxReplicas: 2, scaleTargetRef: { kind: 'Deployment', name: 'd' } } } };
    const { version } = kindOf('horizontalpodautoscalers', 'autoscaling');
    const other = version === 'v1' ? 'v2' : 'v1';
    const rules = [{ ...everyRule, apiGroups: ['autoscaling'], apiVersions: [other] }];
    expect(await called({ rules, matchPolicy: 'Exact' }, hpa)).toBe(false);
    const { validates, validating, asked } = setup(() => ({ allowed: true }));
    validates('one', { rules, matchPolicy: 'Equivalent' });
    await validating.validate(attempt(hpa));
    expect(asked[0]?.request).toMatchObject({ kind: { version: other }, requestKind: { version }, object: { apiVersion: `autoscaling/${other}` } });
  });
});

describe('connections', () => {
  it('shows what connects as the options, not as the Pod', async () => {
    const { validates, validating, asked } = setup(() => ({ allowed: true }));
    validates('one');
    const { object } = pod({ x: 'y' });
    const exec = { ...attempt({ resource: 'pods', operation: 'CONNECT', subresource: 'exec', oldObject: object }), options: { command: ['ls', '-l'], stdout: 'true', tty: 'false', container: 'c' } };
    await validating.validate(exec);
    expect(asked[0]?.request).toMatchObject({
      operation: 'CONNECT', subResource: 'exec', kind: { group: '', version: 'v1', kind: 'PodExecOptions' }, resource: { resource: 'pods' }, oldObject: null, options: null,
    });
    expect(asked[0]?.request.object).toEqual({ apiVersion: 'v1', kind: 'PodExecOptions', command: ['ls', '-l'], stdout: true, container: 'c' });
    validates('one', { objectSelector: { matchLabels: { x: 'y' } } });
    await validating.validate(exec);
    expect(asked.length).toBe(1);
  });
});

describe('mutating', () => {
  it('applies the patch to the draft itself and defaults it', async () => {
    const { mutates, mutating } = setup(() => ({ allowed: true, patchType: 'JSONPatch', patch: encoded([{ op: 'add', path: '/spec/containers/-', value: { name: 'side', image: 'j', bogus: 1 } }]) }));
    mutates('inject');
    const write = attempt(pod());
    const draft = write.object;
    await mutating.admit(write);
    expect(write.object).toBe(draft);
    expect(draft.spec.containers[1]).toMatchObject({ name: 'side', imagePullPolicy: 'Always' });
    expect(draft.spec.containers[1]).not.toHaveProperty('bogus');
  });

  it('calls again who asked for it, when another one changed the object after it, and only once', async () => {
    const label = (name: string, value: string): Fields => ({ allowed: true, patchType: 'JSONPatch', patch: encoded([{ op: 'add', path: `/metadata/labels/${name}`, value }]) });
    const { mutates, mutating, asked } = setup(({ url }) => label(url[0] as string, String(asked.length)));
    mutates('a', { reinvocationPolicy: 'IfNeeded' });
    mutates('b', { reinvocationPolicy: 'Never' });
    mutates('c', { reinvocationPolicy: 'IfNeeded' });
    const write = attempt(pod());
    await (write.reinvocation as Rounds).run([mutating], write);
    expect(asked.map(({ url }) => url[0])).toEqual(['a', 'b', 'c', 'a', 'c']);
    expect(write.object.metadata.labels).toEqual({ a: '4', b: '2', c: '5' });
  });

  it('refuses a patch where there is no object, and one that does not fit', async () => {
    const answer = { allowed: true, patchType: 'JSONPatch', patch: encoded([{ op: 'remove', path: '/metadata/annotations/none' }]) };
    const { mutates, mutating } = setup(() => answer);
    mutates('a', { failurePolicy: 'Ignore' });
    const { object } = pod();
    const error = await failure(mutating.admit(attempt({ resource: 'pods', operation: 'DELETE', oldObject: object })));
    expect(error.message).toBe('Internal error occurred: admission webhook "a.example.com" attempted to modify the object, which is not supported for this operation');
    expect((await failure(mutating.admit(attempt(pod())))).code).toBe(500);
  });
});

describe('answers', () => {
  it('denies with the words and code of the webhook', async () => {
    const { validates, validating } = setup(() => ({ allowed: false, status: { code: 403, reason: 'Forbidden', message: 'not today' } }));
    validates('no');
    const error = await failure(validating.validate(attempt(pod())));
    expect(error.status).toMatchObject({ code: 403, reason: 'Forbidden', message: 'admission webhook "no.example.com" denied the request: not today' });
  });

  it('denies with 400 and without explanation', async () => {
    const { validates, validating } = setup(() => ({ allowed: false }));
    validates('no');
    expect((await failure(validating.validate(attempt(pod())))).status).toMatchObject({ code: 400, message: 'admission webhook "no.example.com" denied the request without explanation' });
  });

  it('fails closed or open', async () => {
    const { validates, validating, cluster } = setup(() => Promise.reject(new Error('Post "https://x/?timeout=10s": dial tcp 1.2.3.4:443: connect: connection refused')));
    validates('down');
    expect((await failure(validating.validate(attempt(pod())))).message).toBe(
      'Internal error occurred: failed calling webhook "down.example.com": failed to call webhook: Post "https://x/?timeout=10s": dial tcp 1.2.3.4:443: connect: connection refused',
    );
    validates('down', { failurePolicy: 'Ignore' });
    await validating.validate(attempt(pod()));
    expect(cluster.env.metrics.expose()).toContain('apiserver_admission_webhook_admission_duration_seconds_count{name="down.example.com",operation="CREATE",rejected="true",type="validating"} 1');
    expect(cluster.env.metrics.expose()).toContain('apiserver_admission_webhook_fail_open_count{name="down.example.com",type="validating"} 1');
  });

  it('wants its own uid back from v1, not from v1beta1', async () => {
    const { validates, validating, asked } = setup(() => ({ uid: 'other', allowed: true }));
    validates('v', {});
    expect((await failure(validating.validate(attempt(pod())))).message).toMatch(/received invalid webhook response: expected response.uid="[^"]+", got "other"$/);
    validates('v', { admissionReviewVersions: ['v9', 'v1beta1'] });
    await validating.validate(attempt(pod()));
    expect(asked[1]?.body.apiVersion).toBe('admission.k8s.io/v1beta1');
  });

  it('refuses answers about patches that make no sense', async () => {
    const said = async (answer: Fields, validates = false): Promise<string> => {
      const made = setup(() => ({ allowed: true, ...answer }));
      if (validates) made.validates('v');
      else made.mutates('v');
      return (await failure(validates ? made.validating.validate(attempt(pod())) : made.mutating.admit(attempt(pod())))).message.replace('Internal error occurred: failed calling webhook "v.example.com": ', '');
    };
    const patch = encoded([{ op: 'add', path: '/metadata/labels/a', value: 'b' }]);
    const invalid = 'received invalid webhook response: ';
    expect(await said({ patch })).toBe(`${invalid}webhook returned response.patch but not response.patchType`);
    expect(await said({ patchType: 'JSONPatch' })).toBe(`${invalid}webhook returned response.patchType but not response.patch`);
    expect(await said({ patch, patchType: '' })).toBe(`${invalid}webhook returned invalid response.patchType of ""`);
    expect(await said({ patch, patchType: 'Odd' })).toBe('unsupported patch type "Odd"');
    expect(await said({ patch: Buffer.from('{').toString('base64'), patchType: 'JSONPatch' })).toMatch(/^received undecodable patch in webhook response: /);
    expect(await said({ patch }, true)).toBe(`${invalid}validating webhook may not return response.patch`);
    expect(await said({ patchType: 'JSONPatch' }, true)).toBe(`${invalid}validating webhook may not return response.patchType`);
  });

  it('refuses a dry run for a webhook with side effects, even one that fails open', async () => {
    const { validates, validating, asked } = setup(() => ({ allowed: true }));
    validates('s', { sideEffects: 'Unknown', failurePolicy: 'Ignore' });
    const error = await failure(validating.validate({ ...attempt(pod()), dryRun: true }));
    expect([error.code, error.message, asked.length]).toEqual([400, 'admission webhook "s.example.com" does not support dry run', 0]);
    validates('s', { sideEffects: 'NoneOnDryRun' });
    await validating.validate({ ...attempt(pod()), dryRun: true });
    expect(asked[0]?.request['dryRun']).toBe(true);
  });

  it('passes warnings and audit annotations on, and asks validating webhooks at once', async () => {
    let arrived = 0;
    let release: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (release = resolve));
    const { validates, validating } = setup(async () => {
      if (++arrived === 2) release();
      await both;
      return { allowed: true, warnings: ['careful'], auditAnnotations: { seen: 'yes' } };
    });
    validates('a');
    validates('b');
    const annotations: Fields = {};
    const write = attempt(pod());
    await validating.validate({ ...write, annotate: (key: string, value: string) => void (annotations[key] = value) });
    expect(write.warnings).toEqual(['careful', 'careful']);
    expect(annotations).toEqual({ 'a.example.com/seen': 'yes', 'b.example.com/seen': 'yes' });
  });
});
