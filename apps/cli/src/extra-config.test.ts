import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { addExtraConfig, extraArguments, extraSettings, isDualStack, logLevelFor, primaryFirst } from './extra-config.ts';
import { kubeletExtra } from './single/kubelet-extra.ts';

const dir = mkdtempSync(join(tmpdir(), 'orrery-extra-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** The path of a KubeletConfiguration with these lines. */
function kubeletFile(...lines: string[]): string {
  const path = join(dir, 'kubelet.yaml');
  writeFileSync(path, ['apiVersion: kubelet.config.k8s.io/v1beta1', 'kind: KubeletConfiguration', ...lines, ''].join('\n'));
  return path;
}

it('takes flags of components, repeated ones too, and gives them back', () => {
  const texts = ['apiserver.audit-log-path=/tmp/a=b.log', 'apiserver.enable-admission-plugins=AlwaysPullImages', 'apiserver.enable-admission-plugins=EventRateLimit', 'apiserver.anonymous-auth=false', 'store.snapshot-count=7'];
  const extra = texts.reduce((before, text) => addExtraConfig(text, before), {});
  expect(extraSettings('apiserver', extra)).toMatchObject({ auditLogPath: '/tmp/a=b.log', enableAdmissionPlugins: ['AlwaysPullImages', 'EventRateLimit'], anonymousAuth: false });
  expect(extraSettings('store', extra)).toEqual({ snapshotCount: 7 });
  expect(extraSettings('scheduler', extra)).toEqual({});
  expect(extraArguments(extra)).toEqual(texts.flatMap((text) => ['--extra-config', text]));
});

it.each([
  [[], 'info'],
  [['scheduler.log-level=warn'], 'warn'],
  [['scheduler.v=4', 'apiserver.log-level=error'], 'debug'],
  [['scheduler.v=3', 'scheduler.leader-elect=false'], 'info'],
])('takes from %j that the scheduler logs what is of level %s', (texts, level) => {
  const extra = texts.reduce((before, text) => addExtraConfig(text, before), {});
  expect(logLevelFor('scheduler', extra)).toBe(level);
  expect(Object.keys(extraSettings('scheduler', extra))).not.toContain('logLevel');
});

it.each([
  ['nonsense', 'is not COMPONENT.FLAG=VALUE'],
  ['coredns.port=1', 'coredns takes no extra configuration; known: apiserver, controller-manager, ingress, kubelet, metrics-server, scheduler, store.'],
  ['apiserver.no-such=1', 'unknown flag --no-such'],
  ['scheduler.log-level=loud', '--log-level takes one of debug, info, warn, error, not "loud"'],
  ['ingress.vnet-listen=1', 'unknown flag --vnet-listen'],
])('refuses %s', (text, why) => {
  expect(() => addExtraConfig(text, {})).toThrow(why);
});

it.each([
  [[], false],
  [['controller-manager.cluster-cidr=10.0.0.0/16'], false],
  [['controller-manager.cluster-cidr=fd01::/48'], false],
  [['controller-manager.cluster-cidr=10.0.0.0/16,fd01::/48'], true],
])('knows by %j whether pods have addresses of both families', (texts, expected) => {
  expect(isDualStack(texts.reduce((before, text) => addExtraConfig(text, before), {}))).toBe(expected);
});

it.each([
  ['', ['10.0.0.1', 'fd00::1']],
  ['10.244.0.0/16,fd00::/48', ['10.0.0.1', 'fd00::1']],
  ['fd00::/48,10.244.0.0/16', ['fd00::1', '10.0.0.1']],
])('with the ranges %j of pods nodes have %j', (range, expected) => {
  expect(primaryFirst(['10.0.0.1', 'fd00::1'], range ? addExtraConfig(`controller-manager.cluster-cidr=${range}`, {}) : {})).toEqual(expected);
});

it('takes files of the ingress by their absolute paths, and none where none is said', () => {
  const extra = ['ingress.default-cert=a.crt', 'ingress.default-key=', 'ingress.health-address=:1'].reduce((before, text) => addExtraConfig(text, before), {});
  expect(extra).toEqual({ ingress: [`--default-cert=${join(process.cwd(), 'a.crt')}`, '--default-key=', '--health-address=:1'] });
});

it('takes a configuration file of kubelets by its absolute path; flags are told apart from it', () => {
  const path = kubeletFile('enableSystemLogQuery: true', 'nodeLeaseDurationSeconds: 60', 'readOnlyPort: 10255');
  const extra = addExtraConfig(`kubelet.config=${relative(process.cwd(), path)}`, addExtraConfig('kubelet.lease-duration-seconds=20', {}));
  expect(extra).toEqual({ kubelet: ['--lease-duration-seconds=20', `--config=${path}`] });
  const { configuration, fromFile, flags } = kubeletExtra(extra);
  expect(configuration).toMatchObject({ enableSystemLogQuery: true });
  expect(fromFile({ leaseDurationSeconds: { type: 'number', default: 40, help: '' } })).toEqual({ leaseDurationSeconds: 60 });
  expect(flags).toEqual({ leaseDurationSeconds: 20 });
});

it('says nothing of kubelets where nothing was given', () => {
  const { configuration, fromFile, flags } = kubeletExtra({});
  expect([configuration, fromFile({ port: { type: 'number', default: 1, help: '' } }), flags]).toEqual([undefined, {}, {}]);
});

it.each([
  ['a field that there is not', ['enableSystemLogs: true'], 'unknown field "enableSystemLogs"'],
  ['a value that no kubelet takes', ['maxPods: -1'], 'maxPods (--max-pods) -1 must not be a negative number'],
  ['no such duration', ['syncFrequency: soon'], 'invalid duration "soon"'],
])('refuses a configuration file with %s, naming it and the field', (_what, lines, why) => {
  const path = kubeletFile(...lines);
  expect(() => addExtraConfig(`kubelet.config=${path}`, {})).toThrow(new RegExp(`^kubelet\\.config ${path}: .*${why.replace(/[()]/g, '\\$&')}`));
});

it('refuses a configuration file that is not there', () => {
  expect(() => addExtraConfig(`kubelet.config=${join(dir, 'none.yaml')}`, {})).toThrow(`kubelet.config ${join(dir, 'none.yaml')}: ENOENT`);
});
