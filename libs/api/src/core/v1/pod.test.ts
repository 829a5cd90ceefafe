import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../gen/types.ts';
import { podKind } from './pod.ts';
import { defaultPullPolicy } from './pod-template/defaults.ts';

const context = { nowMs: Date.parse('2026-01-01T00:10:00Z'), namespace: 'default' };

function pod(spec: Partial<Pod['spec']> = {}, rest: Partial<Pod> = {}): Pod {
  const object: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
    ...rest,
  };
  podKind.defaults(object);
  return object;
}

const problems = (object: Pod): string[] => podKind.validate(object).map((e) => `${e.field}: ${e.message}`);
const cells = (object: Pod): unknown[] => podKind.columns.map((column) => column.cell(object, context));

describe('pod defaults', () => {
  it('fills what upstream fills', () => {
    expect(pod({ serviceAccount: 'robot', hostNetwork: true, containers: [{ name: 'c', image: 'a/b:1', ports: [{ containerPort: 80 }], livenessProbe: { httpGet: { port: 80 } }, resources: { limits: { cpu: '1' } } }], volumes: [{ name: 'v', configMap: { name: 'm' } }, { name: 'w' } as never] }).spec).toEqual({
      serviceAccount: 'robot',
      serviceAccountName: 'robot',
      hostNetwork: true,
      containers: [
        {
          name: 'c',
          image: 'a/b:1',
          imagePullPolicy: 'IfNotPresent',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
          livenessProbe: { httpGet: { port: 80, path: '/', scheme: 'HTTP' }, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
          resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
        },
      ],
      volumes: [
        { name: 'v', configMap: { name: 'm', defaultMode: 420 } },
        { name: 'w', emptyDir: {} },
      ],
      dnsPolicy: 'ClusterFirst',
      restartPolicy: 'Always',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
    });
  });

  it.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['localhost:5000/nginx', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['nginx@sha256:0123', 'IfNotPresent'],
  ])('pulls %s %s', (image, policy) => expect(defaultPullPolicy(image)).toBe(policy));
});

describe('pod preparation', () => {
  it('starts pending with generation 1 and its QoS class', () => {
    const object = pod({}, { status: { phase: 'Running' } });
    object.metadata = { ...object.metadata, generation: 7 };
    podKind.prepareForCreate(object, context);
    expect(object.metadata?.generation).toBe(1);
    expect(object.status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
  });

  it('shows that gates hold it', () => {
    const object = pod({ schedulingGates: [{ name: 'example.com/wait' }] });
    podKind.prepareForCreate(object, context);
    expect(object.status?.conditions?.[0]).toMatchObject({ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' });
  });

  it.each([
    [{ limits: { cpu: '1', memory: '1Gi' } }, 'Guaranteed'],
    [{ limits: { cpu: '1' } }, 'Burstable'],
    [{ requests: { memory: '1Mi' } }, 'Burstable'],
    [{}, 'BestEffort'],
  ])('%o is %s', (resources, expected) => {
    const object = pod({ containers: [{ name: 'c', image: 'x', resources }] });
    podKind.prepareForCreate(object, context);
    expect(object.status?.qosClass).toBe(expected);
  });

  it('keeps status and bumps the generation on a spec change only', () => {
    const old = pod({}, { status: { phase: 'Running' } });
    old.metadata = { ...old.metadata, generation: 3 };
    const same = structuredClone(old);
    same.status = { phase: 'Failed' };
    podKind.prepareForUpdate(same, old, context);
    expect([same.metadata?.generation, same.status?.phase]).toEqual([3, 'Running']);
    const changed = structuredClone(old);
    changed.spec!.containers[0]!.image = 'other';
    podKind.prepareForUpdate(changed, old, context);
    expect(changed.metadata?.generation).toBe(4);
  });

  it.each([
    [undefined, {}, undefined, 0],
    ['node', {}, undefined, 30],
    ['node', {}, 5, 5],
    ['node', {}, -1, 1],
    ['node', { phase: 'Succeeded' }, 5, 0],
  ])('on %s with %o, asked for %s, gets %s s to end', (nodeName, status, requested, expected) => {
    const object = pod(nodeName === undefined ? {} : { nodeName }, { status });
    expect(podKind.gracePeriodSeconds(object, requested)).toBe(expected);
  });
});

describe('pod-level resources', () => {
  it.each<[object, object, object]>([
    [{ limits: { cpu: '4', memory: '1Gi' } }, { requests: { cpu: '1' } }, { limits: { cpu: '4', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } }],
    [{ requests: { cpu: '1' } }, { limits: { cpu: '2' } }, { requests: { cpu: '1' }, limits: { cpu: '2' } }],
  ])('%j over containers with %j are %j', (resources, container, expected) => {
    expect(pod({ resources, containers: [{ name: 'c', image: 'x', resources: container }] }).spec?.resources).toEqual(expected);
  });

  it('counts what an init container needs while it runs', () => {
    const amounts = (cpu: string): object => ({ resources: { requests: { cpu } } });
    const initContainers = [{ name: 's', image: 'x', restartPolicy: 'Always', ...amounts('1') }, { name: 'i', image: 'x', ...amounts('5') }];
    const object = pod({ resources: { limits: { cpu: '9' } }, initContainers, containers: [{ name: 'c', image: 'x', ...amounts('2') }] });
    expect(object.spec?.resources?.requests).toEqual({ cpu: '6' });
  });

  it('rounds what is finer than a thousandth', () => {
    expect(pod({ containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100u' } } }] }).spec?.containers[0]?.resources?.requests).toEqual({ cpu: '1m' });
  });
});

it('a resize changes resources only', () => {
  const resize = podKind.subresources.find((sub) => sub.name === 'resize');
  const old = pod();
  old.metadata = { ...old.metadata, generation: 1, labels: { a: '1' } };
  const next = pod({ nodeName: 'n', containers: [{ name: 'c', image: 'other', resources: { requests: { cpu: '1' } } }] });
  resize?.prepareForUpdate?.(next, old, context);
  expect(next.spec?.containers[0]).toMatchObject({ image: 'nginx', resources: { requests: { cpu: '1' } } });
  expect([next.spec?.nodeName, next.metadata?.labels, next.metadata?.generation]).toEqual([undefined, { a: '1' }, 2]);
});

it('a status keeps the generations that its writer does not know', () => {
  const old = pod({}, { status: { observedGeneration: 3, qosClass: 'Burstable', conditions: [{ type: 'Ready', status: 'True', observedGeneration: 2 }] } });
  const next = pod({}, { status: { conditions: [{ type: 'Ready', status: 'False' }] } });
  podKind.prepareForStatusUpdate(next, old, context);
  expect(next.status).toEqual({ observedGeneration: 3, qosClass: 'Burstable', conditions: [{ type: 'Ready', status: 'False', observedGeneration: 2 }] });
});

it('warns about names that make bad hostnames', () => {
  const object = pod();
  object.metadata = { name: 'a.b' };
  expect(podKind.warnings(object, undefined)).toEqual(["metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"]);
});

describe('pod validation', () => {
  it.each<[string, Partial<Pod['spec']>, string[]]>([
    ['nothing wrong', {}, []],
    ['no containers', { containers: [] }, ['spec.containers: Required value']],
    ['bad container name', { containers: [{ name: 'A', image: 'x' }] }, [
      "spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ]],
    ['no image', { containers: [{ name: 'c' }] }, ['spec.containers[0].image: Required value']],
    ['the same name twice', { containers: [{ name: 'c', image: 'x' }, { name: 'c', image: 'x' }] }, ['spec.containers[1].name: Duplicate value: "c"']],
    ['a port beyond 65535', { containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 70000 }] }] }, [
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ]],
    ['an unknown protocol', { containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 1, protocol: 'HTTP' }] }] }, [
      'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
    ]],
    ['a mount of no volume', { containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] }, [
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ]],
    ['requests above limits', { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } }] }, [
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m',
    ]],
    ['a resource of no standard', { containers: [{ name: 'c', image: 'x', resources: { limits: { gpu: '1' } } }] }, [
      'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
      ],
    ],
    ['a probe without handler', { containers: [{ name: 'c', image: 'x', readinessProbe: {} }] }, [
      'spec.containers[0].readinessProbe: Required value: must specify a handler type',
    ]],
    ['a liveness probe that needs two successes', { containers: [{ name: 'c', image: 'x', livenessProbe: { successThreshold: 2, tcpSocket: { port: 1 } } }] }, [
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ]],
    ['two sources of one volume', { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }, [
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ]],
    ['an init container with a probe', { initContainers: [{ name: 'i', image: 'x', readinessProbe: { tcpSocket: { port: 1 } } }] }, [
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ]],
    ['an unknown restart policy', { restartPolicy: 'Sometimes' }, [
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ]],
    ['an empty toleration key', { tolerations: [{ operator: 'Equal', value: 'x' }] }, [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ]],
    ['an environment reference to nowhere', { containers: [{ name: 'c', image: 'x', env: [{ name: 'E', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }] }, [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
    ]],
    ['a spread without key', { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'ScheduleAnyway' }] }, [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
    ]],
  ])('%s', (_, spec, expected) => expect(problems(pod(spec))).toEqual(expected));

  it('lets images change, nothing else', () => {
    const old = pod();
    const image = pod({ containers: [{ name: 'c', image: 'other' }] });
    expect(podKind.validateUpdate(image, old)).toEqual([]);
    const [error, ...rest] = podKind.validateUpdate(pod({ nodeName: 'n' }), old);
    expect(rest).toEqual([]);
    expect([error?.field, error?.reason]).toEqual(['spec', 'FieldValueForbidden']);
    expect(error?.message).toMatch(/^Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`,`spec.initContainers/);
    expect(error?.message).toContain('+   "nodeName": "n"');
  });

  it('refuses more containers and resurrections', () => {
    const two = pod({ containers: [{ name: 'c', image: 'x' }, { name: 'd', image: 'x' }] });
    expect(podKind.validateUpdate(two, pod()).map((e) => `${e.field}: ${e.message}`)).toEqual(['spec.containers: Forbidden: pod updates may not add or remove containers']);
    const status = (state: object): Partial<Pod> => ({ status: { containerStatuses: [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state }] } });
    const over = pod({ restartPolicy: 'Never' }, status({ terminated: { exitCode: 0 } }));
    const back = pod({ restartPolicy: 'Never' }, status({ running: {} }));
    expect(podKind.validateStatusUpdate(back, over)[0]?.message).toBe('Forbidden: may not be transitioned to non-terminated state');
  });

  it('resizes cpu within the QoS class', () => {
    const sized = (cpu: string): Pod => pod({ containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }] });
    const resize = podKind.subresources.find((sub) => sub.name === 'resize');
    expect(resize?.validateUpdate?.(sized('2'), sized('1'))).toEqual([]);
    expect(resize?.validateUpdate?.(pod(), sized('1'))[0]?.message).toContain('Pod QOS Class may not change as a result of resizing');
  });
});

describe('pod columns', () => {
  const status = (name: string, more: object): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number] => ({ name, image: '', imageID: '', ready: false, restartCount: 0, ...more });
  const running = (more: object = {}): object => ({ ready: true, state: { running: {} }, ...more });
  it.each<[string, Pod, unknown[]]>([
    ['pending', pod({}, { status: { phase: 'Pending' } }), ['0/1', 'Pending', '0']],
    ['running', pod({}, { status: { phase: 'Running', containerStatuses: [status('c', running())] } }), ['1/1', 'Running', '0']],
    ['crashing', pod({}, { status: { phase: 'Running', containerStatuses: [status('c', { restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:05:00Z' } } })] } }), ['0/1', 'CrashLoopBackOff', '2 (5m ago)']],
    ['completed', pod({}, { status: { phase: 'Succeeded', containerStatuses: [status('c', { state: { terminated: { exitCode: 0, reason: 'Completed' } } })] } }), ['0/1', 'Completed', '0']],
    ['ended without reason', pod({}, { status: { phase: 'Failed', containerStatuses: [status('c', { state: { terminated: { exitCode: 3 } } })] } }), ['0/1', 'ExitCode:3', '0']],
    ['initialising', pod({ initContainers: [{ name: 'i', image: 'x' }] }, { status: { phase: 'Pending', initContainerStatuses: [status('i', { state: { running: {} } })] } }), ['0/1', 'Init:0/1', '0']],
    ['failing to initialise', pod({ initContainers: [{ name: 'i', image: 'x' }] }, { status: { phase: 'Pending', initContainerStatuses: [status('i', { restartCount: 1, state: { terminated: { exitCode: 1, reason: 'Error' } } })] } }), ['0/1', 'Init:Error', '1']],
    ['with a sidecar', pod({ initContainers: [{ name: 's', image: 'x', restartPolicy: 'Always' }] }, { status: { phase: 'Running', initContainerStatuses: [status('s', running({ started: true }))], containerStatuses: [status('c', running())] } }), ['2/2', 'Running', '0']],
    ['terminating', pod({}, { metadata: { name: 'p', creationTimestamp: '2026-01-01T00:00:00Z', deletionTimestamp: '2026-01-01T00:09:00Z' }, status: { phase: 'Running' } }), ['0/1', 'Terminating', '0']],
    ['gated', pod({}, { status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] } }), ['0/1', 'SchedulingGated', '0']],
  ])('%s', (_, object, expected) => expect(cells(object).slice(0, 5)).toEqual(['p', ...expected, '10m']));

  it('tells more when wide', () => {
    const object = pod({ nodeName: 'n', readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] }, { status: { podIPs: [{ ip: '10.244.0.3' }], conditions: [{ type: 'a', status: 'True' }] } });
    expect(cells(object).slice(5)).toEqual(['10.244.0.3', 'n', '<none>', '1/2']);
  });
});
