import { Namespaces, Pods } from '@orrery/api';
import type { Container, PodSpec } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { FakeCluster, attempt } from '../../testing/fake-cluster.ts';
import { podSecurity } from './index.ts';
import { violations } from './policy.ts';

const container = (securityContext?: Container['securityContext'], more: Partial<Container> = {}): Container => ({ name: 'c', ...(securityContext ? { securityContext } : {}), ...more });
const good: Container = container({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
const spec = (more: Partial<PodSpec> = {}): PodSpec => ({ containers: [good], ...more });

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
  ])('%#: %j', (pod, expected) => expect(violations({ annotations: {}, spec: pod }, 'baseline')).toEqual([expected]));
  it('lets ordinary pods be', () => expect(violations({ annotations: {}, spec: { containers: [{ name: 'c' }] } }, 'baseline')).toEqual([]));
});

describe('restricted', () => {
  it('reports a bare pod as upstream does', () => {
    expect(violations({ annotations: {}, spec: { containers: [{ name: 'nginx' }] } }, 'restricted').join(', ')).toBe(
      'allowPrivilegeEscalation != false (container "nginx" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "nginx" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or container "nginx" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or container "nginx" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
  });
  it('is content with a careful one', () => expect(violations({ annotations: {}, spec: spec() }, 'restricted')).toEqual([]));
  it('reports volumes once', () =>
    expect(violations({ annotations: {}, spec: spec({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }) }, 'restricted')).toEqual([
      'restricted volume types (volume "v" uses restricted volume type "hostPath")',
    ]));
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
