import { ConfigMaps, ServiceAccounts } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { createFakeApi } from '@orrery/client/testing';
import { notFound, unauthorized } from '@orrery/errors';
import { VirtualClock, rfc3339, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { accountClients } from './account-clients.ts';

test('an account is made if need be, its token requested once, renewed in time and when it is refused', async () => {
  const clock = new VirtualClock();
  const fake = createFakeApi({ clock, random: seededRandom(1) });
  let issued = 0;
  let good = '';
  const api: ApiClient = {
    ...fake,
    createSubresource: async <R>(_resource: unknown, key: { name: string }) => {
      if (!fake.find(ServiceAccounts, key.name, 'kube-system')) throw notFound({ ...ServiceAccounts, name: key.name });
      good = `${key.name}-${++issued}`;
      return { status: { token: good, expirationTimestamp: rfc3339(clock.now() + 3_600_000) } } as R;
    },
  };
  const shown: string[] = [];
  const connect = (token: () => string): ApiClient => ({
    ...fake,
    get: async (resource, key) => {
      shown.push(token());
      if (token() !== good) throw unauthorized();
      return fake.get(resource, key);
    },
  });
  fake.seed(ConfigMaps, { metadata: { name: 'c', namespace: 'a' } });
  const client = accountClients({ api, env: { clock }, connect })('job-controller');
  const read = () => client.get(ConfigMaps, { namespace: 'a', name: 'c' });
  await Promise.all([read(), read()]);
  expect([shown, fake.objects(ServiceAccounts).map(({ metadata }) => metadata?.name)]).toEqual([['job-controller-1', 'job-controller-1'], ['job-controller']]);
  await clock.advance(2_800_000);
  await read();
  await clock.advance(200_000);
  await read();
  expect(shown.slice(2)).toEqual(['job-controller-1', 'job-controller-2']);
  good = 'another';
  await expect(read()).rejects.toMatchObject({ code: 401 });
  await read();
  expect(shown.at(-1)).toBe('job-controller-3');
});
