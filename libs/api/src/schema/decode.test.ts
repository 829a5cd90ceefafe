import { describe, expect, it } from 'vitest';
import { decodeFailure, DecodeError } from './decode-error.ts';
import { decodeJson, type FieldValidation } from './decode.ts';
import { decodeYaml } from './decode-yaml.ts';

const pod = 'io.k8s.api.core.v1.Pod';
const deployment = 'io.k8s.api.apps.v1.Deployment';

function failure(body: string, definition = pod, mode: FieldValidation = 'Strict'): string {
  try {
    decodeJson(body, definition, mode);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
  return '';
}

describe('field validation', () => {
  it('reports unknown and duplicate fields in document order', () => {
    const body = '{"apiVersion":"v1","kind":"Pod","spec":{"foo":1,"hostname":"a","containers":[{"name":"a","imagee":"b"}],"hostname":"b","bar":2},"metadata":{"labels":{"a":"1","a":"2"}}}';
    const problems = ['unknown field "spec.foo"', 'unknown field "spec.containers[0].imagee"', 'duplicate field "spec.hostname"', 'unknown field "spec.bar"', 'duplicate field "metadata.labels.a"'];
    expect(failure(body)).toBe(`strict decoding error: ${problems.join(', ')}`);
    const warned = decodeJson(body, pod, 'Warn');
    expect(warned.warnings).toEqual(problems);
    expect(warned.object).toEqual({ apiVersion: 'v1', kind: 'Pod', spec: { hostname: 'b', containers: [{ name: 'a' }] }, metadata: { labels: { a: '2' } } });
    expect(decodeJson(body, pod, 'Ignore').warnings).toEqual([]);
  });

  it('is case-sensitive', () => {
    expect(failure('{"Spec":{}}')).toBe('strict decoding error: unknown field "Spec"');
    expect(failure('{"constructor":1,"__proto__":{}}')).toBe('strict decoding error: unknown field "constructor", unknown field "__proto__"');
  });

  it('tells a bad request apart', () => {
    const error = new DecodeError('strict decoding error: unknown field "x"', { isStrict: true });
    expect(decodeFailure(error, { expectedKind: 'Pod', body: '{}', found: { apiVersion: 'apps/v1', kind: 'Pod' } }).message).toBe('Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "x"');
    expect(decodeFailure(new DecodeError('boo'), { expectedKind: 'Pod', body: 'x' }).message).toBe('the object provided is unrecognized (must be of type Pod): boo (78)');
  });
});

describe('type mismatches', () => {
  it.each([
    [deployment, '{"spec":{"replicas":"1"}}', 'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, '{"spec":{"replicas":1.5}}', 'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, '{"spec":{"replicas":4294967296}}', 'json: cannot unmarshal number 4294967296 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, '{"spec":{"template":{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}}}', 'json: cannot unmarshal string into Go struct field ContainerPort.spec.template.spec.containers.ports.containerPort of type int32'],
    [pod, '{"metadata":{"labels":{"a":1}}}', 'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string'],
    [pod, '{"spec":[]}', 'json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec'],
    [pod, '{"spec":{"containers":{}}}', 'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container'],
    [pod, '[]', 'json: cannot unmarshal array into Go value of type v1.Pod'],
    [pod, '{"spec":{"hostNetwork":"true"}}', 'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool'],
    [pod, '{"metadata":{"creationTimestamp":"x"}}', 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'],
    [pod, '{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}', "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ['io.k8s.api.core.v1.Secret', '{"data":{"a":"%%"}}', 'illegal base64 data at input byte 0'],
    [pod, 'x', "couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of value"],
    ['io.k8s.api.core.v1.Service', '{"spec":{"ports":[{"targetPort":true}]}}', 'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32'],
  ])('%s %s', (definition, body, message) => {
    expect(failure(body, definition, 'Ignore')).toBe(message);
  });
});

describe('what Go would write back', () => {
  it.each([
    [pod, { metadata: { creationTimestamp: null, labels: {} }, spec: { hostNetwork: false, hostname: '', nodeSelector: {}, securityContext: {}, priority: 0 } }, { metadata: {}, spec: { securityContext: {}, priority: 0 } }],
    [pod, { spec: { containers: [{ name: 'a', resources: { limits: { cpu: 1, memory: '1024Mi' } } }] } }, { spec: { containers: [{ name: 'a', resources: { limits: { cpu: '1', memory: '1Gi' } } }] } }],
    [deployment, { spec: { replicas: 0, minReadySeconds: 0 } }, { spec: { replicas: 0 } }],
    ['io.k8s.api.core.v1.PersistentVolumeClaim', { spec: { storageClassName: '', volumeName: '' } }, { spec: { storageClassName: '' } }],
    ['io.k8s.api.core.v1.ConfigMap', { data: { a: null, __proto: '1' } }, { data: { a: '', __proto: '1' } }],
    ['io.k8s.api.coordination.v1.Lease', { spec: { renewTime: '2026-01-01T00:00:00.123456789Z' } }, { spec: { renewTime: '2026-01-01T00:00:00.123456Z' } }],
    ['io.k8s.api.networking.v1.NetworkPolicy', { spec: { podSelector: {}, ingress: [{}] } }, { spec: { podSelector: {}, ingress: [{}] } }],
    ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps', { additionalProperties: true, items: { type: 'string', x: 1 }, default: { x: null }, nullable: false }, { additionalProperties: true, items: { type: 'string' }, default: { x: null } }],
  ])('%s %j', (definition, from, to) => {
    expect(decodeJson(JSON.stringify(from), definition, 'Ignore').object).toEqual(to);
  });

  it('keeps a prototype key of a map as data', () => {
    const { object } = decodeJson('{"data":{"__proto__":"x"}}', 'io.k8s.api.core.v1.ConfigMap', 'Strict');
    expect(JSON.stringify(object)).toBe('{"data":{"__proto__":"x"}}');
  });
});

describe('YAML', () => {
  it('reads as Go does', () => {
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: "yes"\n  b: 2020-01-01\n  c: 1:30\n';
    expect(decodeYaml(text, 'io.k8s.api.core.v1.ConfigMap', 'Strict').object).toMatchObject({ data: { a: 'yes', b: '2020-01-01', c: '1:30' } });
    expect(decodeYaml('spec: {hostNetwork: yes}', pod, 'Strict').object).toEqual({ spec: { hostNetwork: true } });
    expect(() => decodeYaml('data: {a: yes}', 'io.k8s.api.core.v1.ConfigMap', 'Strict')).toThrow('json: cannot unmarshal bool into Go struct field ConfigMap.data of type string');
  });

  it('reports duplicates and syntax', () => {
    expect(() => decodeYaml('kind: Pod\nkind: Pod\nfoo: 1\n', pod, 'Strict')).toThrow('strict decoding error: yaml: unmarshal errors:\n  line 2: key "kind" already set in map, unknown field "foo"');
    expect(() => decodeYaml('a: [', pod, 'Strict')).toThrow(/^yaml: line \d/);
    // JSON is YAML too, and its duplicates are told in YAML's words.
    expect(decodeYaml('{"data": {"a": "yes", "b": "1:30"}}', 'io.k8s.api.core.v1.ConfigMap', 'Strict').object).toEqual({ data: { a: 'yes', b: '1:30' } });
    expect(() => decodeYaml('{"kind": "Pod",\n"kind": "Pod"}', pod, 'Strict')).toThrow('strict decoding error: yaml: unmarshal errors:\n  line 2: key "kind" already set in map');
    expect(decodeYaml('{kind: Pod, metadata: {name: x}}', pod, 'Strict').object).toEqual({ kind: 'Pod', metadata: { name: 'x' } });
  });
});
