import { CSIDrivers, Events, PersistentVolumeClaims, PersistentVolumes, Pods } from '@orrery/api';
import type { Pod, PodSpec } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { type Harness, startManager } from '../../testing/manager-harness.ts';
import { type Use, type UsedVolume, VolumeUsers, labelOf, labelsByVolume, labelsConflict, messageOf } from './volume-users.ts';

describe('labels', () => {
  it.each([
    [{}, ''],
    [{ level: 's0:c1,c2' }, ':::s0:c1,c2'],
    [{ user: 'u', role: 'r', type: 't', level: 's0' }, 'u:r:t:s0'],
  ])('%j is %s', (options, label) => expect(labelOf(options)).toBe(label));

  it.each([
    ['', '', false],
    ['', ':::s0:c1', false],
    ['u:r:t:s0:c1,c2', ':::s0:c1,c2', false],
    ['u:r:t:s0:c1,c2', ':::s0:c98,c99', true],
    ['u:::', 'v:::s0', true],
    ['u:::s0', 'u:r::s0', false],
  ])('%j and %j conflict: %s', (a, b, conflict) => expect([labelsConflict(a, b), labelsConflict(b, a)]).toEqual([conflict, conflict]));

  it('are those of the containers, or of their pod, where there are any', () => {
    const volumeMounts = (...names: string[]) => names.map((name) => ({ name, mountPath: `/${name}` }));
    const found = labelsByVolume({
      securityContext: { seLinuxOptions: { level: 's0' } },
      initContainers: [{ name: 'i', volumeMounts: volumeMounts('a'), securityContext: { seLinuxOptions: { level: 's1' } } }],
      containers: [{ name: 'c', volumeMounts: volumeMounts('a', 'b') }],
    });
    expect([...found].map(([name, labels]) => [name, [...labels]])).toEqual([['a', [':::s1', ':::s0']], ['b', [':::s0']]]);
    expect(labelsByVolume({ containers: [{ name: 'c', volumeMounts: volumeMounts('a') }] })).toEqual(new Map([['a', new Set()]]));
  });
});

describe('users of volumes', () => {
  const mounted = (label: string) => ({ label, policy: 'MountOption' }) as const;

  it('tells a conflict once, to both, and has it until one of them goes', () => {
    const users = new VolumeUsers();
    const v = (use: Use): UsedVolume[] => [{ id: 'v', driver: 'd', use }];
    const recursive = { label: '', policy: 'Recursive' } as const;
    expect(users.set('ns/a', v(mounted(':::s0')))).toEqual([]);
    const told = users.set('ns/b', v(recursive));
    expect(told.map(({ pod, property, value, otherValue }) => [pod, property, value, otherValue])).toEqual([['ns/b', 'SELinuxChangePolicy', 'Recursive', 'MountOption'], ['ns/a', 'SELinuxChangePolicy', 'MountOption', 'Recursive']]);
    expect(users.set('ns/b', v(recursive))).toEqual([]);
    expect(users.set('ns/b', v(mounted(':::s1'))).map(({ property }) => property)).toEqual(['SELinuxLabel', 'SELinuxLabel']);
    expect([[...users.conflicts()].length, [...users.usersOf('d')], [...users.usersOf('e')]]).toEqual([2, ['ns/a', 'ns/b'], []]);
    // Another pod by the same name.
    users.set('ns/a', [{ id: 'w', driver: 'e', use: recursive }]);
    expect([[...users.conflicts()], [...users.usersOf('d')], [...users.usersOf('e')]]).toEqual([[], ['ns/b'], ['ns/a']]);
    users.set('ns/b', []);
    expect([...users.usersOf('d')]).toEqual([]);
  });

  it('does not name who is in another namespace', () => {
    const conflict = { property: 'SELinuxLabel', pod: 'ns/a', value: ':::s0', other: 'ns/b', otherValue: ':::s1' } as const;
    expect(messageOf(conflict)).toBe('SELinuxLabel ":::s0" conflicts with pod b that uses the same volume as this pod with SELinuxLabel ":::s1". If both pods land on the same node, only one of them may access the volume.');
    expect(messageOf({ ...conflict, other: 'secret/b' })).toBe('SELinuxLabel":::s0" conflicts with another pod that uses the same volume as this pod with a different SELinuxLabel. If both pods land on the same node, only one of them may access the volume.');
  });
});

const warned = ({ api }: Harness): string[] => api.objects(Events).filter(({ reason = '' }) => reason.includes('SELinux')).map(({ involvedObject, type, reason, source }) => `${source?.component} ${type} ${involvedObject?.name} ${reason}`);
const pod = (name: string, level: string, more: Partial<PodSpec> = {}): Pod => ({
  metadata: { name, namespace: 'ns' },
  spec: { securityContext: { seLinuxOptions: { level } }, containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'data', mountPath: '/d' }] }], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }], ...more },
});

async function withClaim(): Promise<Harness> {
  const h = await startManager({ controllers: ['selinux-warning-controller'] });
  h.api.seed(CSIDrivers, { metadata: { name: 'd' }, spec: { seLinuxMount: true } });
  await h.api.create(PersistentVolumes, { metadata: { name: 'v' }, spec: { accessModes: ['ReadWriteMany'], capacity: { storage: '1Gi' }, csi: { driver: 'd', volumeHandle: 'h' } } });
  await h.api.create(PersistentVolumeClaims, { metadata: { name: 'c', namespace: 'ns' }, spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } } });
  return h;
}

async function bind(h: Harness): Promise<void> {
  const uid = h.api.find(PersistentVolumeClaims, 'c', 'ns')?.metadata?.uid ?? '';
  const patch = { type: 'application/merge-patch+json' } as const;
  await h.api.patch(PersistentVolumes, { name: 'v' }, { spec: { claimRef: { namespace: 'ns', name: 'c', uid } } }, patch);
  await h.api.patch(PersistentVolumeClaims, { name: 'c', namespace: 'ns' }, { spec: { volumeName: 'v' } }, patch);
  await h.clock.advance(200);
}

describe('the controller', () => {
  it('warns both pods once their claim is bound, and no more when one has ended', async () => {
    const h = await withClaim();
    await h.api.create(Pods, pod('a', 's0:c1'));
    await h.api.create(Pods, pod('b', 's0:c2'));
    await h.clock.advance(200);
    expect(warned(h)).toEqual([]);
    await bind(h);
    expect(warned(h).sort()).toEqual(['selinux_warning Normal a SELinuxLabelConflict', 'selinux_warning Normal b SELinuxLabelConflict']);
    const metric = (): string[] => h.metrics().split('\n').filter((line) => line.startsWith('selinux_warning_controller_selinux_volume_conflict{'));
    expect(metric()).toContainEqual(expect.stringMatching(/pod1_name="a",.*pod1_value=":::s0:c1",.*pod2_name="b",.*pod2_value=":::s0:c2",.*property="SELinuxLabel".* 1$/));
    expect(metric()).toHaveLength(2);
    h.api.setStatus(Pods, { namespace: 'ns', name: 'b' }, { phase: 'Succeeded' });
    await h.clock.advance(200);
    expect(metric()).toEqual([]);
    expect(h.complaints).toEqual([]);
  });

  it('looks again when the driver begins to mount with labels', async () => {
    const h = await withClaim();
    await bind(h);
    await h.api.patch(CSIDrivers, { name: 'd' }, { spec: { seLinuxMount: false } }, { type: 'application/merge-patch+json' });
    await h.clock.advance(200);
    await h.api.create(Pods, pod('a', 's0:c1'));
    await h.api.create(Pods, pod('b', 's0:c2', { securityContext: { seLinuxOptions: { level: 's0:c2' }, seLinuxChangePolicy: 'Recursive' } }));
    await h.clock.advance(200);
    expect(warned(h)).toEqual([]);
    await h.api.patch(CSIDrivers, { name: 'd' }, { spec: { seLinuxMount: true } }, { type: 'application/merge-patch+json' });
    await h.clock.advance(200);
    expect(warned(h).sort()).toEqual(['selinux_warning Normal a SELinuxChangePolicyConflict', 'selinux_warning Normal b SELinuxChangePolicyConflict']);
  });

  it('warns of a pod whose containers disagree', async () => {
    const h = await withClaim();
    const volumeMounts = [{ name: 'scratch', mountPath: '/s' }];
    const other = { name: 'o', image: 'i', volumeMounts, securityContext: { seLinuxOptions: { level: 's0:c9' } } };
    await h.api.create(Pods, pod('a', 's0:c1', { securityContext: { seLinuxOptions: { level: 's0:c1' } }, containers: [{ name: 'c', image: 'i', volumeMounts }, other], volumes: [{ name: 'scratch', emptyDir: {} }] }));
    await h.clock.advance(200);
    expect(warned(h)).toEqual(['selinux_warning Warning a MultipleSELinuxLabels']);
  });
});
