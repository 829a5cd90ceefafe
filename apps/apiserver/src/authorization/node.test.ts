import { PersistentVolumeClaims, PersistentVolumes, PodCertificateRequests, Pods, ResourceSlices } from '@orrery/api';
import { beforeAll, describe, expect, it } from 'vitest';
import { clusterRoles } from '../bootstrap/cluster-roles.ts';
import type { Decision } from '../pipeline/index.ts';
import { FakeCluster } from '../testing/fake-cluster.ts';
import { NodeIndex } from './node-index.ts';
import { nodeAuthorizer } from './node.ts';

const cluster = new FakeCluster();
const index = new NodeIndex(cluster.read);
const authorizer = nodeAuthorizer({ index, read: cluster.read, rules: clusterRoles.find((role) => role.name === 'system:node')?.rules ?? [] });

beforeAll(() => {
  index.follow();
  const slice = (nodeName: string) => ({ driver: 'd', nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 } });
  cluster.put(ResourceSlices, { metadata: { name: 'mine' }, spec: slice('n1') });
  cluster.put(ResourceSlices, { metadata: { name: 'other' }, spec: slice('n2') });
  const request = (nodeName: string) => ({ signerName: 'a.b/c', podName: 'p', podUID: 'u', serviceAccountName: 's', serviceAccountUID: 'v', nodeName, nodeUID: 'w', stubPKCS10Request: '' });
  cluster.put(PodCertificateRequests, { metadata: { name: 'mine', namespace: 'a' }, spec: request('n1') });
  cluster.put(PodCertificateRequests, { metadata: { name: 'other', namespace: 'a' }, spec: request('n2') });
  cluster.put(PersistentVolumes, { metadata: { name: 'pv' }, spec: { csi: { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { name: 'csi', namespace: 'sys' } } } });
  cluster.put(PersistentVolumeClaims, { metadata: { name: 'claim', namespace: 'a' }, spec: { volumeName: 'pv' } });
  cluster.put(Pods, {
    metadata: { name: 'p', namespace: 'a' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'robot',
      imagePullSecrets: [{ name: 'pull' }],
      containers: [{ name: 'c', envFrom: [{ configMapRef: { name: 'env' } }], env: [{ name: 'x', valueFrom: { secretKeyRef: { name: 'key', key: 'k' } } }] }],
      volumes: [
        { name: 's', projected: { sources: [{ secret: { name: 'projected' } }] } },
        { name: 'v', persistentVolumeClaim: { claimName: 'claim' } },
      ],
    },
  });
});

/** `verb group/resource[/subresource] namespace name` */
function ask(node: string, text: string, fieldSelector?: string): Decision {
  const [verb = '', target = '', namespace = '', name = ''] = text.split(' ');
  const [group = '', resource = '', subresource = ''] = target.split('/');
  const info = { isResource: true, path: '', version: 'v1', verb, group: group === 'core' ? '' : group, resource, subresource, namespace: namespace === '-' ? '' : namespace, name };
  return authorizer.authorize({ user: { username: `system:node:${node}`, groups: ['system:nodes'] }, info, ...(fieldSelector ? { fieldSelector } : {}) }) as Decision;
}

describe('Node authorizer', () => {
  it.each([
    'get core/secrets a pull',
    'watch core/secrets a key',
    'get core/secrets a projected',
    'get core/secrets sys csi',
    'list core/configmaps a env',
    'get core/persistentvolumeclaims a claim',
    'get core/persistentvolumes - pv',
    'create core/serviceaccounts/token a robot',
    'get core/pods a p',
    'update core/pods/status a p',
    'patch core/nodes/status - n1',
    'get core/nodes - n1',
    'create core/nodes -',
    'update coordination.k8s.io/leases kube-node-lease n1',
    'patch storage.k8s.io/csinodes - n1',
    'list core/services -',
    'create core/events a',
    'create authentication.k8s.io/tokenreviews -',
    'get resource.k8s.io/resourceslices - mine',
    'create resource.k8s.io/resourceslices -',
    'get certificates.k8s.io/podcertificaterequests a mine',
    'create certificates.k8s.io/podcertificaterequests a',
  ])('allows %s', (text) => expect(ask('n1', text).decision).toBe('allow'));

  it.each([
    'get core/secrets a other',
    'get core/secrets b pull',
    'list core/secrets a',
    'delete core/secrets a pull',
    'create core/serviceaccounts/token a default',
    'get core/pods a q',
    'get core/nodes - n2',
    'update core/nodes/status - n2',
    'update coordination.k8s.io/leases kube-node-lease n2',
    'update coordination.k8s.io/leases a n1',
    'list core/pods -',
    'create apps/deployments a',
    'delete resource.k8s.io/resourceslices - other',
    'list resource.k8s.io/resourceslices -',
    'get certificates.k8s.io/podcertificaterequests a other',
    'list certificates.k8s.io/podcertificaterequests -',
  ])('does not allow %s', (text) => expect(ask('n1', text).decision).toBe('noOpinion'));

  it('allows lists of what is on the node', () => {
    expect(ask('n1', 'list core/pods -', 'spec.nodeName=n1').decision).toBe('allow');
    expect(ask('n1', 'watch core/pods -', 'spec.nodeName=n2').decision).toBe('noOpinion');
    expect(ask('n1', 'list core/nodes -', 'metadata.name=n1').decision).toBe('allow');
    expect(ask('n1', 'deletecollection resource.k8s.io/resourceslices -', 'spec.nodeName=n1').decision).toBe('allow');
    expect(ask('n1', 'watch resource.k8s.io/resourceslices -', 'spec.nodeName=n2').decision).toBe('noOpinion');
    expect(ask('n1', 'watch certificates.k8s.io/podcertificaterequests -', 'spec.nodeName=n1').decision).toBe('allow');
  });

  it('knows no relation to pods of other nodes, pods that left, and mirror pods', () => {
    expect(ask('n2', 'get core/secrets a pull').reason).toBe("no relationship found between node 'n2' and this object");
    cluster.put(Pods, { metadata: { name: 'm', namespace: 'a', annotations: { 'kubernetes.io/config.mirror': 'x' } }, spec: { nodeName: 'n1', containers: [], imagePullSecrets: [{ name: 'stolen' }] } });
    expect(ask('n1', 'get core/secrets a stolen').decision).toBe('noOpinion');
    cluster.put(Pods, { metadata: { name: 'q', namespace: 'a' }, spec: { nodeName: 'n3', containers: [], imagePullSecrets: [{ name: 'brief' }] } });
    expect(ask('n3', 'get core/secrets a brief').decision).toBe('allow');
    cluster.remove(Pods, { namespace: 'a', name: 'q' });
    expect(ask('n3', 'get core/secrets a brief').decision).toBe('noOpinion');
  });

  it('has no opinion on others', () => {
    const info = { isResource: true, path: '', version: 'v1', verb: 'list', group: '', resource: 'services', subresource: '', namespace: '', name: '' };
    expect(authorizer.authorize({ user: { username: 'system:node:n1', groups: [] }, info })).toMatchObject({ decision: 'noOpinion' });
  });
});
