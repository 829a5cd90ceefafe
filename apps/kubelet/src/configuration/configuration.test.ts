import { resolveConfig } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { kubeletSchema } from '../config.ts';
import { processSchema } from '../process.ts';
import { kubeletServerSchema } from '../server/kubelet-server.ts';
import { loadConfiguration } from './load.ts';
import { settingsOf } from './settings.ts';
import { shownConfiguration } from './shown.ts';

const head = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';
const schema = { ...kubeletSchema, ...kubeletServerSchema, ...processSchema };

test('an empty file means what no file means', () => {
  const { nodeName: _name, criEndpoint, ...defaults } = resolveConfig(schema, [{}]);
  const { nodeName: _other, criEndpoint: endpoint, ...fromFile } = resolveConfig(schema, [settingsOf(loadConfiguration(head))]);
  expect(endpoint).toBe(criEndpoint);
  // The kubelet of a machine listens for others.
  expect(fromFile).toEqual({ ...defaults, bindAddress: '0.0.0.0' });
});

test('a file becomes settings, and is shown with its defaults and what is in force', () => {
  const file = loadConfiguration(`${head}maxPods: 20\nnodeStatusUpdateFrequency: 30s\nstaticPodPath: /etc/kubernetes/manifests\nevictionHard: {memory.available: 5%}\nevictionSoft: {memory.available: 1Gi}\nevictionSoftGracePeriod: {memory.available: 1m30s}\nregisterWithTaints: [{key: a, value: b, effect: NoSchedule}]\nshutdownGracePeriod: 30s\nshutdownGracePeriodCriticalPods: 10s\nfeatureGates: {NodeSwap: true}\n`);
  const config = resolveConfig(schema, [settingsOf(file), { maxPods: '30' }]);
  expect(config).toMatchObject({ maxPods: 30, statusUpdateSeconds: 30, statusReportSeconds: 30, podManifestPath: '/etc/kubernetes/manifests', evictionHard: ['memory.available<5%'], evictionSoftGracePeriod: ['memory.available=1m30s'], registerWithTaints: ['a=b:NoSchedule'] });
  expect(shownConfiguration(config, config, file)).toMatchObject({
    kind: 'KubeletConfiguration',
    enableServer: true,
    maxPods: 30,
    nodeStatusUpdateFrequency: '30s',
    nodeStatusReportFrequency: '30s',
    evictionHard: { 'memory.available': '5%' },
    evictionSoftGracePeriod: { 'memory.available': '1m30s' },
    registerWithTaints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }],
    shutdownGracePeriod: '30s',
    featureGates: { NodeSwap: true },
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true, cacheTTL: '2m0s' } },
  });
});

const bootstrapping = `${head}address: 10.0.0.1\nreadOnlyPort: 10255\nhealthzPort: 10248\nserverTLSBootstrap: true\nrotateCertificates: true\ntlsCertFile: /a.crt\ntlsPrivateKeyFile: /a.key\nstaticPodPath: /manifests\nauthentication: {x509: {clientCAFile: /ca.crt}, anonymous: {enabled: true}}\nauthorization: {mode: AlwaysAllow}\ncontainerRuntimeEndpoint: unix:///run/other.sock\n`;

test.each([
  ['what a program was told instead of it', schema, { address: '127.0.0.1', healthzPort: 0, authentication: { x509: { clientCAFile: '/ca.crt' }, anonymous: { enabled: true } }, authorization: { mode: 'AlwaysAllow' }, containerRuntimeEndpoint: 'unix:///run/other.sock', tlsCertFile: '/a.crt' }, ['readOnlyPort', 'serverTLSBootstrap', 'staticPodPath']],
  ['what a host without certificates in files says', kubeletServerSchema, { authentication: { x509: {} }, containerRuntimeEndpoint: '' }, ['readOnlyPort', 'serverTLSBootstrap', 'rotateCertificates', 'tlsCertFile', 'tlsPrivateKeyFile', 'staticPodPath']],
])('a file is shown with %s', (_what, of, shown, absent) => {
  const file = loadConfiguration(bootstrapping);
  const settings = Object.fromEntries(Object.entries(settingsOf(file)).filter(([key]) => key in of));
  const program = resolveConfig(of, [settings, { bindAddress: '127.0.0.1', readOnlyPort: 0, healthzPort: -1, ...(of === schema ? { rotateServerCertificates: false } : {}) }]);
  const configz = shownConfiguration(resolveConfig(kubeletSchema, [{ podManifestPath: '' }]), program, file);
  expect(configz).toMatchObject(shown);
  expect(absent.filter((name) => name in configz)).toEqual([]);
});

test('default thresholds are merged in where the file asks for it', () => {
  const file = loadConfiguration(`${head}mergeDefaultEvictionSettings: true\nevictionHard: {memory.available: 1Gi}\n`);
  expect(file.evictionHard).toEqual({ 'memory.available': '1Gi', 'nodefs.available': '10%', 'nodefs.inodesFree': '5%', 'imagefs.available': '15%', 'imagefs.inodesFree': '5%' });
});

test.each([
  ['another kind', 'apiVersion: v1\nkind: Pod', 'no kind "Pod" is registered for version "v1" in scheme "pkg/kubelet/apis/config/scheme/scheme.go"'],
  ['no kind', 'maxPods: 1', "Object 'Kind' is missing in 'maxPods: 1'"],
  ['unknown fields', `${head}maxPod: 1\nauthentication: {x509: {ca: x}}`, 'strict decoding error: unknown field "authentication.x509.ca", unknown field "maxPod"'],
  ['twice the same', `${head}maxPods: 1\nmaxPods: 2`, 'strict decoding error: yaml: unmarshal errors:\n  line 4: key "maxPods" already set in map'],
  ['a wrong type', `${head}maxPods: many`, 'json: cannot unmarshal string into Go struct field KubeletConfiguration.maxPods of type int32'],
  ['a duration without unit', `${head}syncFrequency: "5"`, 'time: missing unit in duration "5"'],
  ['thresholds the wrong way round', `${head}imageGCHighThresholdPercent: 70\nimageGCLowThresholdPercent: 80`, 'failed to validate kubelet configuration, error: invalid configuration: imageGCLowThresholdPercent (--image-gc-low-threshold) 80 must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) 70'],
  ['an unknown signal', `${head}evictionHard: {memory.free: 1Gi}`, 'failed to validate kubelet configuration, error: unsupported eviction signal memory.free'],
  ['a soft threshold without grace', `${head}evictionSoft: {memory.available: 1Gi}`, 'failed to validate kubelet configuration, error: grace period must be specified for the soft eviction threshold memory.available'],
  ['too much for critical pods', `${head}shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s`, 'failed to validate kubelet configuration, error: invalid configuration: shutdownGracePeriodCriticalPods {20s} must be <= shutdownGracePeriod {10s}'],
  ['several mistakes', `${head}maxPods: -1\nhairpinMode: x`, 'failed to validate kubelet configuration, error: [invalid configuration: maxPods (--max-pods) -1 must not be a negative number, invalid configuration: option "x" specified for hairpinMode (--hairpin-mode). Valid options are "none", "hairpin-veth" or "promiscuous-bridge"]'],
])('%s is refused', (_what, text, message) => {
  expect(() => loadConfiguration(text)).toThrow(new Error(message));
});
