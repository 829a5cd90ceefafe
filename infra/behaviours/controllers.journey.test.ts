import { describe, expect, it } from 'vitest';
import { merge } from './rest.ts';
import { sleepPod, until, useTarget } from './target.ts';

const t = useTarget({ nodes: 2 });

const pause = { name: 'c', image: 'registry.k8s.io/pause:3.10' };
const template = (labels: object, more: object = {}): object => ({ metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [{ ...pause, ...more }] } });
const list = async (resource: string, group?: string, query = ''): Promise<any[]> => (await t.rest.ok('GET', `${t.path(resource, group)}${query}`)).items;
const configMap = (name: string, owners: object[] = [], more: object = {}): object => ({ metadata: { name, ownerReferences: owners, ...more } });
const ownerOf = ({ metadata }: any, more: object = {}): object => ({ apiVersion: 'v1', kind: 'ConfigMap', name: metadata.name, uid: metadata.uid, ...more });
const create = (resource: string, body: object, group?: string): Promise<any> => t.rest.ok('POST', t.path(resource, group), { body });
const isGone = async (path: string): Promise<boolean> => (await t.rest.call('GET', path)).code === 404;

describe('11: garbage collection', () => {
  it('foreground: the owner goes after its dependents', async () => {
    const owner = await create('configmaps', configMap('owner'));
    await create('configmaps', configMap('held', [ownerOf(owner, { blockOwnerDeletion: true })], { finalizers: ['example.com/hold'] }));
    const answer = await t.rest.ok('DELETE', t.path('configmaps/owner'), { body: { propagationPolicy: 'Foreground' } });
    expect(answer.metadata).toMatchObject({ finalizers: ['foregroundDeletion'], deletionTimestamp: expect.any(String) });
    await until(async () => (await t.rest.ok('GET', t.path('configmaps/held'))).metadata.deletionTimestamp !== undefined);
    expect((await t.rest.call('GET', t.path('configmaps/owner'))).code).toBe(200);
    await t.rest.ok('PATCH', t.path('configmaps/held'), { body: { metadata: { finalizers: null } }, type: merge });
    await until(() => isGone(t.path('configmaps/owner')));
    expect(await isGone(t.path('configmaps/held'))).toBe(true);
  });

  it('orphan: the dependents stay and forget their owner', async () => {
    const owner = await create('configmaps', configMap('owner'));
    await create('configmaps', configMap('left', [ownerOf(owner)]));
    await t.rest.ok('DELETE', t.path('configmaps/owner'), { body: { propagationPolicy: 'Orphan' } });
    await until(() => isGone(t.path('configmaps/owner')));
    expect((await t.rest.ok('GET', t.path('configmaps/left'))).metadata.ownerReferences).toBeUndefined();
  });

  it('of two owners the one that stays is the only one left', async () => {
    const [going, staying] = [await create('configmaps', configMap('going')), await create('configmaps', configMap('staying'))];
    await create('configmaps', configMap('child', [ownerOf(going, { blockOwnerDeletion: true }), ownerOf(staying)]));
    await t.rest.ok('DELETE', t.path('configmaps/going'), { body: { propagationPolicy: 'Foreground' } });
    await until(() => isGone(t.path('configmaps/going')));
    expect((await t.rest.ok('GET', t.path('configmaps/child'))).metadata.ownerReferences).toEqual([ownerOf(staying)]);
  });

  it('a circle of owners is collected', async () => {
    const one = await create('configmaps', configMap('one'));
    const two = await create('configmaps', configMap('two', [ownerOf(one, { blockOwnerDeletion: true })]));
    const three = await create('configmaps', configMap('three', [ownerOf(two, { blockOwnerDeletion: true })]));
    await t.rest.ok('PATCH', t.path('configmaps/one'), { body: { metadata: { ownerReferences: [ownerOf(three, { blockOwnerDeletion: true })] } }, type: merge });
    await t.rest.ok('DELETE', t.path('configmaps/one'), { body: { propagationPolicy: 'Foreground' } });
    await until(async () => (await list('configmaps')).every(({ metadata }) => !['one', 'two', 'three'].includes(metadata.name)));
  });
});

it('12: a namespace ends with its pods first, and says what holds it up', async () => {
  await create('pods', sleepPod('held', { metadata: { finalizers: ['example.com/hold'] } }));
  await create('configmaps', configMap('kept'));
  await t.rest.ok('DELETE', `/api/v1/namespaces/${t.namespace}`);
  const path = `/api/v1/namespaces/${t.namespace}`;
  const held = await until(async () => {
    const { status } = await t.rest.ok('GET', path);
    return status.conditions?.some(({ type, status: is }: any) => type === 'NamespaceFinalizersRemaining' && is === 'True') && status;
  });
  expect(held.phase).toBe('Terminating');
  expect(held.conditions).toContainEqual(expect.objectContaining({ type: 'NamespaceContentRemaining', status: 'True', reason: 'SomeResourcesRemain', message: expect.stringContaining('pods. has 1 resource instances') }));
  expect((await t.rest.call('GET', t.path('configmaps/kept'))).code).toBe(200);
  const refused = await t.rest.call('POST', t.path('configmaps'), { body: configMap('late') });
  expect([refused.code, refused.body.details.causes]).toEqual([403, [expect.objectContaining({ reason: 'NamespaceTerminating' })]]);
  await t.rest.ok('PATCH', t.path('pods/held'), { body: { metadata: { finalizers: null } }, type: merge });
  await until(() => isGone(path));
});

describe('13: quotas and limits', () => {
  it('show every hard key, count what is there already, refuse what is too much, and are mended', async () => {
    const hard = { pods: '2', configmaps: '3', 'count/deployments.apps': '1', 'requests.cpu': '1' };
    await create('resourcequotas', { metadata: { name: 'q' }, spec: { hard } });
    const quota = (): Promise<any> => t.rest.ok('GET', t.path('resourcequotas/q'));
    const shown = await until(async () => {
      const { status } = await quota();
      return status.used?.configmaps === '1' && status;
    });
    expect([shown.hard, shown.used]).toEqual([hard, { pods: '0', configmaps: '1', 'count/deployments.apps': '0', 'requests.cpu': '0' }]);
    const refused = await t.rest.call('POST', t.path('pods'), { body: sleepPod('big', { container: { resources: { requests: { cpu: '2' } } } }) });
    expect([refused.code, refused.body.message]).toEqual([403, 'pods "big" is forbidden: exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1']);
    const unset = await t.rest.call('POST', t.path('pods'), { body: sleepPod('unset') });
    expect([unset.code, unset.body.message]).toEqual([403, 'pods "unset" is forbidden: failed quota: q: must specify requests.cpu for: c']);
    await create('pods', sleepPod('fits', { container: { resources: { requests: { cpu: '400m' } } } }));
    expect((await quota()).status.used).toMatchObject({ pods: '1', 'requests.cpu': '400m' });
    await t.rest.ok('PATCH', t.path('resourcequotas/q/status'), { body: { status: { hard: { pods: '99' } } }, type: merge });
    await until(async () => (await quota()).status.hard.pods === '2');
    expect((await quota()).status.hard).toEqual(hard);
    await t.rest.ok('DELETE', t.path('pods/fits'));
    await until(async () => (await quota()).status.used.pods === '0');
  });

  it('a limit alone becomes the request; scopes are counted apart', async () => {
    await create('limitranges', { metadata: { name: 'l' }, spec: { limits: [{ type: 'Container', default: { cpu: '500m' }, max: { cpu: '1' } }] } });
    await create('resourcequotas', { metadata: { name: 'best' }, spec: { hard: { pods: '5' }, scopes: ['BestEffort'] } });
    await create('resourcequotas', { metadata: { name: 'not-best' }, spec: { hard: { pods: '5' }, scopes: ['NotBestEffort'] } });
    const used = async (): Promise<any> => Object.fromEntries((await list('resourcequotas')).map(({ metadata, status }) => [metadata.name, status.used?.pods]));
    await until(async () => Object.values(await used()).every((pods) => pods === '0'));
    const made = await create('pods', sleepPod('one'));
    expect(made.spec.containers[0].resources).toEqual({ limits: { cpu: '500m' }, requests: { cpu: '500m' } });
    const above = await t.rest.call('POST', t.path('pods'), { body: sleepPod('two', { container: { resources: { limits: { cpu: '2' } } } }) });
    expect([above.code, above.body.message]).toEqual([403, 'pods "two" is forbidden: maximum cpu usage per Container is 1, but limit is 2']);
    await until(async () => (await used())['not-best'] === '1');
    expect(await used()).toEqual({ best: '0', 'not-best': '1' });
    await t.rest.ok('DELETE', t.path('pods/one'));
  });
});

it('14: a disruption budget refuses evictions with 429, and its disruptedPods entries go by merge patch', async () => {
  await create('pods', sleepPod('one', { metadata: { labels: { app: 'x' } } }));
  await create('poddisruptionbudgets', { metadata: { name: 'b' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'x' } } } }, 'policy/v1');
  const path = t.path('poddisruptionbudgets/b', 'policy/v1');
  await until(async () => {
    const { status } = await t.rest.ok('GET', path);
    return status?.currentHealthy === 1 && status.observedGeneration === 1;
  });
  const refused = await t.rest.call('POST', t.path('pods/one/eviction'), { body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'one' } } });
  expect([refused.code, refused.body.reason, refused.headers['retry-after']]).toEqual([429, 'TooManyRequests', undefined]);
  expect(refused.body.message).toBe("Cannot evict pod as it would violate the pod's disruption budget.");
  expect(refused.body.details.causes).toEqual([{ reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' }]);
  const at = new Date().toISOString().replace(/\.\d+/, '');
  const marked = await t.rest.ok('PATCH', `${path}/status`, { body: { status: { disruptedPods: { one: at } } }, type: merge });
  expect(Object.keys(marked.status.disruptedPods)).toEqual(['one']);
  const fewer = await t.rest.ok('PATCH', `${path}/status`, { body: { status: { disruptedPods: { one: null } } }, type: merge });
  expect(fewer.status.disruptedPods ?? {}).toEqual({});
  await t.rest.ok('PATCH', path, { body: { spec: { minAvailable: 0 } }, type: merge });
  await until(async () => (await t.rest.call('POST', t.path('pods/one/eviction'), { body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'one' } } })).code === 201);
});

describe('15: revisions', () => {
  const apps = 'apps/v1';
  const revisionOf = ({ metadata }: any): string => metadata.annotations['deployment.kubernetes.io/revision'];

  it('a Deployment takes an older ReplicaSet of its template over, holds its limits all along, and goes back to it', async () => {
    const selector = { matchLabels: { app: 'x' } };
    await create('replicasets', { metadata: { name: 'older', labels: { app: 'x' }, annotations: { 'deployment.kubernetes.io/revision': '7' } }, spec: { replicas: 2, selector, template: template({ app: 'x' }) } }, apps);
    await until(async () => (await t.rest.ok('GET', t.path('replicasets/older', apps))).status.readyReplicas === 2);
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    await create('deployments', { metadata: { name: 'd' }, spec: { replicas: 2, selector, strategy, template: template({ app: 'x' }) } }, apps);
    const deployment = (): Promise<any> => t.rest.ok('GET', t.path('deployments/d', apps));
    await until(async () => (await deployment()).status.updatedReplicas === 2);
    const [adopted, ...others] = await list('replicasets', apps);
    expect(others).toEqual([]);
    expect([adopted.metadata.name, adopted.metadata.ownerReferences[0].kind, revisionOf(await deployment())]).toEqual(['older', 'Deployment', '7']);
    const watching = await t.rest.watch(`${t.path('pods')}?watch=1&labelSelector=app%3Dx`);
    await t.rest.ok('PATCH', t.path('deployments/d', apps), { body: { spec: { template: { metadata: { annotations: { round: 'two' } } } } }, type: merge });
    await until(async () => {
      const { metadata, status } = await deployment();
      return status.observedGeneration === metadata.generation && status.updatedReplicas === 2 && status.replicas === 2 && status.availableReplicas === 2;
    });
    const pods = new Map<string, boolean>();
    for (const { type, object } of watching.events) {
      const isReady = object.status.conditions?.some((c: any) => c.type === 'Ready' && c.status === 'True') && !object.metadata.deletionTimestamp;
      if (type === 'DELETED' || object.metadata.deletionTimestamp) pods.delete(object.metadata.name);
      else pods.set(object.metadata.name, isReady === true);
      expect(pods.size).toBeLessThanOrEqual(3);
    }
    watching.stop();
    expect(revisionOf(await deployment())).toBe('8');
    await t.rest.ok('PATCH', t.path('deployments/d', apps), { body: { spec: { template: { metadata: { annotations: { round: null } } } } }, type: merge });
    await until(async () => revisionOf(await deployment()) === '9' && (await t.rest.ok('GET', t.path('replicasets/older', apps))).spec.replicas === 2);
  });

  it('a ControllerRevision of the same name but other content is survived, and a rollback finds its old one', async () => {
    const selector = { matchLabels: { app: 's' } };
    await create('statefulsets', { metadata: { name: 's' }, spec: { serviceName: 's', replicas: 1, selector, template: template({ app: 's' }) } }, apps);
    const set = (): Promise<any> => t.rest.ok('GET', t.path('statefulsets/s', apps));
    const first = await until(async () => {
      const { status } = await set();
      return status.readyReplicas === 1 && status;
    });
    await t.rest.ok('PATCH', t.path('statefulsets/s', apps), { body: { spec: { template: { metadata: { annotations: { n: '2' } } } } }, type: merge });
    const second = await until(async () => {
      const { status, metadata } = await set();
      return status.observedGeneration === metadata.generation && status.currentRevision === status.updateRevision && status.updateRevision !== first.updateRevision && status;
    });
    expect(await list('controllerrevisions', apps)).toHaveLength(2);
    await t.rest.ok('PATCH', t.path('statefulsets/s', apps), { body: { spec: { template: { metadata: { annotations: { n: null } } } } }, type: merge });
    const back = await until(async () => {
      const { status, metadata } = await set();
      return status.observedGeneration === metadata.generation && status.currentRevision === status.updateRevision && status.updateRevision !== second.updateRevision && status;
    });
    expect(back.updateRevision).toBe(first.updateRevision);
    expect(await list('controllerrevisions', apps)).toHaveLength(2);
    const daemon = (name: string): object => ({ metadata: { name }, spec: { selector: { matchLabels: { app: 'd' } }, template: template({ app: 'd' }) } });
    await create('daemonsets', daemon('d'), apps);
    const [revision] = await until(async () => {
      const found = await list('controllerrevisions', apps, '?labelSelector=app%3Dd');
      return found.length === 1 && found;
    });
    const { name, labels, ownerReferences } = revision.metadata;
    await t.rest.ok('DELETE', `${t.path('daemonsets/d', apps)}?propagationPolicy=Orphan`);
    await until(() => isGone(t.path('daemonsets/d', apps)));
    await t.rest.ok('DELETE', t.path(`controllerrevisions/${name}`, apps));
    await create('controllerrevisions', { metadata: { name, labels: { ...labels, other: 'owner' } }, revision: 1, data: { other: 'content' } }, apps);
    await create('daemonsets', daemon('d'), apps);
    const made = await until(async () => (await list('controllerrevisions', apps)).find(({ data, metadata }) => data.spec && metadata.ownerReferences?.[0]?.kind === 'DaemonSet'));
    expect([made.metadata.name === name, ownerReferences[0].kind]).toEqual([false, 'DaemonSet']);
    expect((await t.rest.ok('GET', t.path('daemonsets/d', apps))).status.collisionCount).toBe(1);
  });
});

describe('16: jobs', () => {
  const batch = 'batch/v1';
  const shell = (command: string): object => ({ spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', command] }] } });
  const typesOf = (job: any): string[] => (job.status.conditions ?? []).filter((c: any) => c.status === 'True').map((c: any) => c.type);
  const done = (name: string, type: string): Promise<any> =>
    until(async () => {
      const job = await t.rest.ok('GET', t.path(`jobs/${name}`, batch));
      return typesOf(job).includes(type) && job;
    });

  it('succeed early by their policy: first SuccessCriteriaMet, then Complete; indexes are told in short', async () => {
    const watching = await t.rest.watch(`${t.path('jobs', batch)}?watch=1`);
    const spec = { completionMode: 'Indexed', completions: 4, parallelism: 4, successPolicy: { rules: [{ succeededIndexes: '0-2' }] }, template: shell('[ $JOB_COMPLETION_INDEX = 3 ] && sleep 600; true') };
    await create('jobs', { metadata: { name: 'j' }, spec }, batch);
    const job = await done('j', 'Complete');
    expect(job.status).toMatchObject({ succeeded: 3, completedIndexes: '0-2' });
    expect(job.status.conditions.find((c: any) => c.type === 'SuccessCriteriaMet')).toMatchObject({ reason: 'SuccessPolicy', message: 'Matched rules at index 0' });
    const steps = watching.events.map(({ object }) => typesOf(object).join());
    expect(steps.indexOf('SuccessCriteriaMet')).toBeGreaterThan(-1);
    expect(steps.indexOf('SuccessCriteriaMet')).toBeLessThan(steps.indexOf('SuccessCriteriaMet,Complete'));
    watching.stop();
  });

  it('fail by FailureTarget first, with all their pods ended before Failed', async () => {
    const watching = await t.rest.watch(`${t.path('jobs', batch)}?watch=1`);
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }];
    await create('jobs', { metadata: { name: 'j' }, spec: { backoffLimit: 6, podFailurePolicy: { rules }, template: shell('exit 42') } }, batch);
    const job = await done('j', 'Failed');
    expect(job.status.conditions.find((c: any) => c.type === 'Failed')).toMatchObject({ reason: 'PodFailurePolicy' });
    const steps = watching.events.map(({ object }) => typesOf(object).join());
    expect(steps.indexOf('FailureTarget')).toBeGreaterThan(-1);
    expect(steps.indexOf('FailureTarget')).toBeLessThan(steps.indexOf('FailureTarget,Failed'));
    watching.stop();
  });

  it('a CronJob that forbids does not run twice at once, one that is suspended not at all; bad zones are 422', async () => {
    const cron = (name: string, spec: object): object => ({ metadata: { name }, spec: { schedule: '*/1 * * * *', jobTemplate: { spec: { template: shell('sleep 300') } }, ...spec } });
    const refused = await t.rest.call('POST', t.path('cronjobs', batch), { body: cron('bad', { timeZone: 'Bad/Zone' }) });
    expect([refused.code, refused.body.message]).toEqual([422, 'CronJob.batch "bad" is invalid: spec.timeZone: Invalid value: "Bad/Zone": unknown time zone Bad/Zone']);
    const within = await t.rest.call('POST', t.path('cronjobs', batch), { body: cron('within', { schedule: 'TZ=UTC 0 0 * * *' }) });
    expect([within.code, within.body.message]).toEqual([422, expect.stringContaining('cannot use TZ or CRON_TZ in schedule, use timeZone field instead')]);
    await create('cronjobs', cron('off', { suspend: true }), batch);
    expect((await t.rest.ok('GET', t.path('cronjobs/off', batch))).status).toEqual({});
  });
});

it('17: preemption takes as few as it needs, and says so on them', async () => {
  const nodes = (await t.rest.ok('GET', '/api/v1/nodes')).items;
  const [node] = nodes;
  const hostname = node.metadata.labels['kubernetes.io/hostname'];
  const cpu = Number(node.status.allocatable.cpu);
  const third = `${Math.floor(cpu * 300)}m`;
  const className = `high-${t.namespace}`;
  await t.rest.ok('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', { body: { metadata: { name: className }, value: 1000 } });
  const filler = (name: string): Promise<any> =>
    create('pods', sleepPod(name, { spec: { nodeSelector: { 'kubernetes.io/hostname': hostname } }, container: { resources: { requests: { cpu: third } } } }));
  const fillers = ['a', 'b', 'c'];
  for (const name of fillers) await filler(name);
  await until(async () => (await list('pods')).every(({ spec }) => spec.nodeName));
  const watching = await t.rest.watch(`${t.path('pods')}?watch=1`);
  await create('pods', sleepPod('urgent', { spec: { priorityClassName: className, nodeSelector: { 'kubernetes.io/hostname': hostname } }, container: { resources: { requests: { cpu: third } } } }));
  await until(async () => (await t.rest.ok('GET', t.path('pods/urgent'))).spec.nodeName === hostname);
  const victims = new Set(watching.events.filter(({ object }) => object.status.conditions?.some((c: any) => c.type === 'DisruptionTarget' && c.reason === 'PreemptionByScheduler')).map(({ object }) => object.metadata.name));
  watching.stop();
  expect(victims.size).toBe(1);
  await t.rest.ok('DELETE', `/apis/scheduling.k8s.io/v1/priorityclasses/${className}`);
});

it('18: Endpoints kept by hand are mirrored into one EndpointSlice, which a PUT changes', async () => {
  await create('services', { metadata: { name: 'm' }, spec: { ports: [{ name: 'http', port: 80 }] } });
  const subsets = (ip: string, port: number): object[] => [{ addresses: [{ ip }], ports: [{ name: 'http', port, protocol: 'TCP' }] }];
  await create('endpoints', { metadata: { name: 'm' }, subsets: subsets('10.1.2.3', 80) });
  const slices = (): Promise<any[]> => list('endpointslices', 'discovery.k8s.io/v1', '?labelSelector=kubernetes.io/service-name%3Dm');
  const [first] = await until(async () => {
    const found = await slices();
    return found.length === 1 && found;
  });
  expect([first.endpoints[0].addresses, first.ports[0].port]).toEqual([['10.1.2.3'], 80]);
  await t.rest.ok('PUT', t.path('endpoints/m'), { body: { metadata: { name: 'm' }, subsets: subsets('10.2.3.4', 8080) } });
  const changed = await until(async () => {
    const found = await slices();
    return found[0]?.endpoints[0]?.addresses[0] === '10.2.3.4' && found;
  });
  expect(changed.map(({ metadata, ports }) => [metadata.uid, ports[0].port])).toEqual([[first.metadata.uid, 8080]]);
  await t.rest.ok('DELETE', t.path('endpoints/m'));
  await until(async () => (await slices()).length === 0);
});
