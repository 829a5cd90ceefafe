import type { Pod } from '@orrery/api/types';
import { MemoryVolumeHost } from '@orrery/cri';
import { NamespaceMode } from '@orrery/proto/cri';
import { expect, test } from 'vitest';
import { UserNamespaces } from './user-namespaces.ts';

const pod = (uid: string, hostUsers?: boolean): Pod => ({ metadata: { name: uid, uid }, spec: { containers: [], ...(hostUsers === undefined ? {} : { hostUsers }) } });
const from = (hostId: number) => [{ hostId, containerId: 0, length: 65_536 }];

test('each pod gets users of its own, keeps them over a restart of the kubelet, and gives them back', async () => {
  const host = new MemoryVolumeHost(() => 0);
  const make = () => new UserNamespaces({ host, rootDir: '/k', idsPerPod: 65_536, supports: (handler) => handler !== 'old' });
  const first = make();
  expect(await first.of(pod('a'), '')).toBeUndefined();
  expect(await first.of(pod('a', true), 'old')).toEqual({ mode: NamespaceMode.NODE });
  expect(await first.of(pod('a', false), '')).toEqual({ mode: NamespaceMode.POD, uids: from(65_536), gids: from(65_536) });
  expect((await first.of(pod('b', false), ''))?.uids).toEqual(from(131_072));
  const second = make();
  expect((await second.of(pod('c', false), ''))?.uids).toEqual(from(196_608));
  expect((await second.of(pod('a', false), ''))?.uids).toEqual(from(65_536));
  second.release('a');
  await host.remove('/k/pods/a');
  expect((await second.of(pod('d', false), ''))?.uids).toEqual(from(65_536));
});

test('a runtime that cannot do it is named', async () => {
  const namespaces = new UserNamespaces({ host: new MemoryVolumeHost(() => 0), rootDir: '/k', idsPerPod: 2 ** 31, supports: (handler) => handler !== 'old' && handler !== '' });
  await expect(namespaces.of(pod('a', false), 'old')).rejects.toThrow('can\'t set `spec.hostUsers: false`, RuntimeClass handler "old" does not support user namespaces');
  await expect(namespaces.of(pod('a', false), '')).rejects.toThrow('can\'t set `spec.hostUsers: false`, runtime does not support user namespaces');
  await namespaces.of(pod('a', false), 'new');
  await expect(namespaces.of(pod('b', false), 'new')).rejects.toThrow('could not find an empty slot');
});
