import { Namespaces, Pods } from '@orrery/api';
import type { Container, PodSpec } from '@orrery/api/types';
import { createMetrics } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { FakeCluster, attempt } from '../../testing/fake-cluster.ts';
import { podSecurity } from './index.ts';
import { podSecurityMeters } from './meters.ts';
import { type Level, type LevelVersion, violations } from './policy.ts';
import { podSecuritySettings } from './settings.ts';

const container = (securityContext?: Container['securityContext'], more: Partial<Container> = {}): Container => ({ name: 'c', ...(securityContext ? { securityContext } : {}), ...more });
const good: Container = container({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
const spec = (more: Partial<PodSpec> = {}): PodSpec => ({ containers: [good], ...more });

const at = (level: Level, version = 'latest'): LevelVersion => ({ level, version });

describe('baseline', () => {
  it.each<[PodSpec, string]>([
    [spec({ hostNetwork: true, hostPID: true }), 'host namespaces (hostNetwork=true, hostPID=true)'],
    [spec({ containers: [container({ privileged: true })] }), 'privileged (container "c" must not set securityContext.privileged=true)'],
    [spec({ containers: [container({ capabilities: { add: ['NET_ADMIN'] } })] }), 'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)'],
    [spec({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }), 'hostPath volumes (volume "v")'],
    [spec({ containers: [container(undefined, { ports: [{ containerPort: 80, hostPort: 80 }] })] }), 'hostPort (container "c" uses hostPort 80)'],
    [spec({ securityContext: { seccompProfile: { type: 'Unconfined' } } }), 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'],
    [spec({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }), 'forbidden sysctls (kernel.msgmax)'],
    [spec({ securityContext: { seLinuxOptions: { type: 'spc_t' } } }), 'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t")'],
    [spec({ containers: [container({ procMount: 'Unmasked' })] }), 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'],
  ])('%#: %j', (pod, expected) => expect(violations({ annotations: {}, spec: pod }, at('baseline'))).toEqual([expected]));
  it('lets ordinary pods be', () => expect(violations({ annotations: {}, spec: { containers: [{ name: 'c' }] } }, at('baseline'))).toEqual([]));
});

describe('restricted', () => {
  it('reports a bare pod as upstream does', () => {
    expect(violations({ annotations: {}, spec: { containers: [{ name: 'nginx' }] } }, at('restricted')).join(', ')).toBe(
      'allowPrivilegeEscalation != false (container "nginx" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "nginx" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or container "nginx" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or container "nginx" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
  });
  it('is content with a careful one', () => expect(violations({ annotations: {}, spec: spec() }, at('restricted'))).toEqual([]));
  it('reports volumes once', () =>
    expect(violations({ annotations: {}, spec: spec({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }) }, at('restricted'))).toEqual([
      'restricted volume types (volume "v" uses restricted volume type "hostPath")',
    ]));
});

describe('versions of the standards', () => {
  const of = (level: Level, version: string, pod: PodSpec): string[] => violations({ annotations: {}, spec: pod }, at(level, version)).map((text) => text.replace(/ \(.*$/, ''));
  const bare: PodSpec = { containers: [{ name: 'c' }] };

  it('know the checks of their time', () => {
    expect(of('restricted', 'v1.7', bare)).toEqual(['runAsNonRoot != true']);
    expect(of('restricted', 'v1.8', bare)).toEqual(['allowPrivilegeEscalation != false', 'runAsNonRoot != true']);
    expect(of('restricted', 'v1.19', bare)).toEqual(['allowPrivilegeEscalation != false', 'runAsNonRoot != true', 'seccompProfile']);
    expect(of('restricted', 'v1.22', bare)).toEqual(of('restricted', 'v1.99', bare));
    const adds = { containers: [{ ...good, securityContext: { ...good.securityContext, capabilities: { drop: ['ALL'], add: ['CHOWN'] } } }] };
    expect([of('restricted', 'v1.21', adds), of('restricted', 'v1.22', adds)]).toEqual([[], ['unrestricted capabilities']]);
    const root = { containers: [good], securityContext: { runAsUser: 0 } };
    expect([of('restricted', 'v1.22', root), of('restricted', 'v1.23', root), of('restricted', 'latest', { ...root, hostUsers: false })]).toEqual([[], ['runAsUser=0'], []]);
    const windows: PodSpec = { containers: [{ name: 'c', securityContext: { runAsNonRoot: true } }], os: { name: 'windows' } };
    expect([of('restricted', 'v1.24', windows).length, of('restricted', 'v1.25', windows).length]).toEqual([3, 0]);
    const sysctl = { ...bare, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } };
    expect([of('baseline', 'v1.31', sysctl), of('baseline', 'v1.32', sysctl)]).toEqual([['forbidden sysctls'], []]);
    const probe: PodSpec = { containers: [{ name: 'c', livenessProbe: { tcpSocket: { port: 1, host: 'h' } } }] };
    expect([of('baseline', 'v1.33', probe), of('baseline', 'latest', probe)]).toEqual([[], ['probe or lifecycle host']]);
    expect(violations({ annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }, spec: bare }, at('baseline', 'v1.18'))).toEqual(['seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")']);
  });
});

describe('settings', () => {
  const settings = podSecuritySettings({
    apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration',
    defaults: { enforce: 'baseline', 'warn-version': 'v1.20' }, exemptions: { namespaces: ['infra'], usernames: ['root'], runtimeClasses: ['vm'] },
  });
  const cluster = new FakeCluster();
  const plugin = podSecurity(cluster.read, settings);
  const write = (more: object, name = 'default', username = 'alice') => {
    cluster.put(Namespaces, { metadata: { name } });
    return attempt({ resource: 'pods', object: { metadata: { name: 'p', namespace: name }, spec: { containers: [{ name: 'c' }], hostNetwork: true, ...more } }, user: { username, groups: [] } });
  };

  it('hold where labels say nothing, but not for those exempt', () => {
    expect(() => plugin.validate?.(write({}))).toThrow('violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)');
    for (const exempt of [write({ runtimeClassName: 'vm' }), write({}, 'infra'), write({}, 'default', 'root')]) expect(() => plugin.validate?.(exempt)).not.toThrow();
  });
  it('are refused when they make no sense', () => {
    expect(() => podSecuritySettings({ apiVersion: 'v1', kind: 'ConfigMap' })).toThrow('PodSecurity: no kind "ConfigMap" is registered for version "v1"');
    expect(() => podSecuritySettings({ ...{ apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration' }, defaults: { enforce: 'strict' } })).toThrow('defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted');
  });
});

describe('PodSecurity', () => {
  const cluster = new FakeCluster();
  const plugin = podSecurity(cluster.read);
  const label = (labels: Record<string, string>): unknown => cluster.put(Namespaces, { metadata: { name: 'default', labels } });
  const bare = { metadata: { name: 'p', namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'a' }] } };

  it('enforces on pods, warns on templates', () => {
    label({ 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' });
    expect(() => plugin.validate?.(attempt({ resource: 'pods', object: bare }))).toThrow('pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false');
    const deployment = attempt({ resource: 'deployments', group: 'apps', object: { metadata: bare.metadata, spec: { template: bare } } });
    plugin.validate?.(deployment);
    expect(deployment.warnings[0]).toMatch(/^would violate PodSecurity "restricted:latest": /);
  });
  it('counts its verdicts', () => {
    const metrics = createMetrics();
    const counted = podSecurity(cluster.read, podSecuritySettings({ apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration', exemptions: { usernames: ['root'] } }), podSecurityMeters(metrics));
    label({});
    counted.validate?.(attempt({ resource: 'pods', object: bare }));
    label({ 'pod-security.kubernetes.io/enforce': 'baseline', 'pod-security.kubernetes.io/warn': 'restricted' });
    counted.validate?.(attempt({ resource: 'pods', object: bare }));
    expect(() => counted.validate?.(attempt({ resource: 'pods', object: { ...bare, spec: { ...bare.spec, hostNetwork: true } } }))).toThrow('violates PodSecurity');
    counted.validate?.(attempt({ resource: 'pods', object: bare, user: { username: 'root', groups: [] } }));
    const lines = metrics.expose().split('\n').filter((line) => line.startsWith('pod_security_'));
    const of = (decision: string, mode: string, level: string): string => `pod_security_evaluations_total{decision="${decision}",mode="${mode}",policy_level="${level}",policy_version="latest",request_operation="create",resource="pod",subresource=""} 1`;
    expect(lines.sort()).toEqual([of('allow', 'enforce', 'baseline'), of('allow', 'enforce', 'privileged'), of('deny', 'enforce', 'baseline'), of('deny', 'warn', 'restricted'), 'pod_security_exemptions_total{request_operation="create",resource="pod",subresource=""} 1']);
    label({ 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' });
  });
  it('does not mind changes that mean nothing to it', () => {
    const update = (image: string) => () => plugin.validate?.(attempt({ resource: 'pods', operation: 'UPDATE', object: { ...bare, spec: { containers: [{ name: 'c', image }] } }, oldObject: bare }));
    expect(update('a')).not.toThrow();
    expect(update('b')).toThrow('violates PodSecurity');
  });
  it('checks labels and tells of existing pods', () => {
    const change = (to: string, from = 'privileged') => {
      const namespace = (level: string) => ({ metadata: { name: 'default', labels: { 'pod-security.kubernetes.io/enforce': level } } });
      const attributes = attempt({ resource: 'namespaces', operation: 'UPDATE', object: namespace(to), oldObject: namespace(from) });
      plugin.validate?.(attributes);
      return attributes.warnings;
    };
    expect(() => change('strict')).toThrow('metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted');
    for (const name of ['a', 'b']) cluster.put(Pods, { ...bare, metadata: { name, namespace: 'default' } });
    expect(change('restricted')).toEqual([
      'existing pods in namespace "default" violate the new PodSecurity enforce level "restricted:latest"',
      'a (and 1 other pod): allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
    ]);
  });
});
