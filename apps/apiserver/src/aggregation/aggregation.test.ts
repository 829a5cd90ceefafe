import { EndpointSlices, Services } from '@orrery/api';
import type { APIService } from '@orrery/api/types';
import { resolveConfig } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { apiServerSchema } from '../config.ts';
import { FakeCluster } from '../testing/fake-cluster.ts';
import { checkObjects, withVerdict } from './availability.ts';
import { remoteService } from './api-service.ts';
import { identityHeaders, withoutIdentity } from './identity-headers.ts';
import { proxyTo } from './proxy.ts';
import { type Desired, type History, type Step, builtInServices, planRegistration } from './registration.ts';
import { fromResourceList } from './remote-discovery.ts';
import { combinedTrust } from './trust-config.ts';
import { startWorkLoop } from './work-loop.ts';

const spec = { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
const stored = (mode: string | undefined, more: object = {}): APIService => ({ metadata: { name: 'v1.g', ...(mode ? { labels: { 'kube-aggregator.kubernetes.io/automanaged': mode } } : {}) }, spec: { ...spec, ...more } }) as APIService;
const onStart: Desired = { mode: 'onstart', spec };
const always: Desired = { mode: 'true', spec };
const fresh: History = { wasThereAtStart: false, hasSynced: false };
const old: History = { wasThereAtStart: true, hasSynced: false };
const done: History = { wasThereAtStart: true, hasSynced: true };

describe('registration', () => {
  it.each<[string, Desired | undefined, APIService | undefined, History, Step]>([
    ['nothing of nothing', undefined, undefined, fresh, 'nothing'],
    ['makes what is missing', onStart, undefined, fresh, 'create'],
    ['makes it once', onStart, undefined, done, 'nothing'],
    ['makes it again and again', always, undefined, done, 'create'],
    ["leaves a user's alone", always, stored(undefined, { versionPriority: 7 }), fresh, 'nothing'],
    ["leaves a user's alone that nobody wants", undefined, stored(undefined), old, 'nothing'],
    ['mends one of a start before', onStart, stored('onstart', { versionPriority: 7 }), old, 'update'],
    ['mends one of a start before once', onStart, stored('onstart', { versionPriority: 7 }), done, 'nothing'],
    ['leaves one that came after the start', always, stored('onstart', { versionPriority: 7 }), fresh, 'nothing'],
    ['takes out one of a start before', undefined, stored('onstart'), old, 'delete'],
    ['takes out one that is kept', undefined, stored('true'), done, 'delete'],
    ['mends one that is kept', always, stored('true', { versionPriority: 7 }), done, 'update'],
    ['leaves what is right', always, stored('true'), done, 'nothing'],
  ])('%s', (_what, desired, current, history, step) => {
    expect(planRegistration(desired, current, history)).toBe(step);
  });

  it('knows the place of every group version that is built in', async () => {
    const { allKinds } = await import('@orrery/api');
    const all = new Set(allKinds.map(({ group, version }) => `${version}.${group}`));
    const known = builtInServices({ all: () => allKinds, get: () => undefined, kept: () => undefined, byKind: () => undefined });
    expect([...all].filter((name) => !known.has(name))).toEqual(['v1.apiregistration.k8s.io']);
  });
});

describe('availability', () => {
  const remote = remoteService({ metadata: { name: 'v1.g' }, spec: { ...spec, service: { namespace: 'n', name: 's' } } } as APIService);
  if (!remote) throw new Error('remote');

  it('asks a service outside at once', () => {
    const cluster = new FakeCluster();
    cluster.put(Services, { metadata: { name: 's', namespace: 'n' }, spec: { type: 'ExternalName', externalName: 'x.example.com' } });
    expect(checkObjects(remote, cluster.read)).toBeUndefined();
  });

  it('moves the time only with the status', () => {
    const first = withVerdict(stored(undefined), { status: 'False', reason: 'A', message: 'a' }, 0);
    expect(first?.status?.conditions).toEqual([{ type: 'Available', status: 'False', reason: 'A', message: 'a', lastTransitionTime: '1970-01-01T00:00:00Z' }]);
    const second = withVerdict(first as APIService, { status: 'False', reason: 'B', message: 'b' }, 5_000);
    expect(second?.status?.conditions?.[0]).toMatchObject({ reason: 'B', lastTransitionTime: '1970-01-01T00:00:00Z' });
    expect(withVerdict(second as APIService, { status: 'False', reason: 'B', message: 'b' }, 9_000)).toBeUndefined();
    expect(withVerdict(second as APIService, { status: 'True', reason: 'C', message: 'c' }, 9_000)?.status?.conditions?.[0]).toMatchObject({ lastTransitionTime: '1970-01-01T00:00:09Z' });
  });
});

describe('the proxy', () => {
  const place = { name: 's', namespace: 'n' };
  const remote = { name: 'v1.g', group: 'g', version: 'v1', groupPriority: 1, versionPriority: 1, service: { ...place, port: 443 }, ca: '', insecure: true, isAvailable: true };

  const ask = async (url: string, afterMs: number): Promise<{ sent: unknown[]; dialed: unknown[] }> => {
    const cluster = new FakeCluster();
    cluster.put(Services, { metadata: place, spec: { ports: [{ port: 443 }] } });
    cluster.put(EndpointSlices, { metadata: { ...place, labels: { 'kubernetes.io/service-name': 's' } }, addressType: 'IPv4', ports: [{ port: 8443 }], endpoints: [{ addresses: ['10.0.0.7'] }] });
    const sent: unknown[] = [];
    const dialed: unknown[] = [];
    const gone = new AbortController();
    const clusterNet = { dial: (to: unknown) => new Promise<never>(() => dialed.push(to)) };
    const response = { send: (status: number, _: unknown, body: unknown) => void sent.push(status, body), stream: () => { throw new Error('no'); }, gzip: (body: Uint8Array) => Promise.resolve(Buffer.from(body)) };
    const http = { method: 'GET', url, headers: {}, remoteAddress: '127.0.0.1', secure: true, certificate: undefined, signal: gone.signal, body: () => Promise.reject(new Error('no')), bodyStream: async function* () {} };
    const request = { http, response, signal: gone.signal, user: { username: 'u', groups: [] }, auditId: 'a', headers: {}, onStatus: () => undefined };
    const done = proxyTo(remote, request, { env: cluster.env, read: cluster.read, config: resolveConfig(apiServerSchema, []), clusterNet });
    await cluster.clock.advance(afterMs);
    gone.abort(new Error('the client went away'));
    await done;
    return { sent, dialed };
  };

  it('gives a server five seconds to say what it serves', async () => {
    expect(await ask('/apis/g/v1?x=y', 5_000)).toEqual({ sent: [503, 'error trying to reach service: context deadline exceeded\n'], dialed: [{ ip: '10.0.0.7', port: 8443 }] });
    expect(await ask('/apis/g/v1', 4_999)).toMatchObject({ sent: [503, 'error trying to reach service: the client went away\n'] });
    expect(await ask('/apis/g/v1/things', 5_000)).toMatchObject({ sent: [503, 'error trying to reach service: the client went away\n'] });
  });
});

describe('headers', () => {
  it('say who asks', () => {
    expect(identityHeaders({ username: 'jörg', uid: 'u', groups: ['a, b', 'c'], extra: { 'x/ü%': ['1', '2'], ok: [] } })).toEqual([
      ['X-Remote-User', 'j\u00c3\u00b6rg'], ['X-Remote-Uid', 'u'], ['X-Remote-Group', 'a, b'], ['X-Remote-Group', 'c'], ['X-Remote-Extra-x%2F%C3%BC%25', '1'], ['X-Remote-Extra-x%2F%C3%BC%25', '2'],
    ]);
    for (const user of [{ username: 'a\r\nX-Remote-Group: system:masters', groups: [] }, { username: 'a', groups: ['b\nc'] }, { username: 'a', groups: [], extra: { k: ['\u0000'] } }]) {
      expect(() => identityHeaders(user)).toThrow('net/http: invalid header field value for "X-Remote-');
    }
    expect(withoutIdentity({ 'x-remote-user': 'a', 'x-remote-group': ['b'], 'x-remote-uid': 'c', 'x-remote-extra-': 'd', 'x-remote-extra-e': 'f', 'x-remote-address': 'kept', accept: 'kept' })).toEqual({ 'x-remote-address': 'kept', accept: 'kept' });
  });
});

describe('the trust of extension servers', () => {
  const settings = { clientCa: '', requestheaderClientCaFile: '', requestheaderAllowedNames: ['p'], requestheaderUsernameHeaders: ['U'], requestheaderUidHeaders: ['I'], requestheaderGroupHeaders: ['G'], requestheaderExtraHeadersPrefix: ['E-'] };
  const pem = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;

  it('is nothing where there is none', () => {
    expect(combinedTrust({}, settings)).toEqual({});
    expect(combinedTrust({}, { ...settings, clientCa: pem('A') })).toEqual({ 'client-ca-file': pem('A') });
  });

  it('is that of all servers, each thing once, and of what others put there only what is ours to keep', () => {
    const existing = { 'client-ca-file': pem('A'), 'requestheader-client-ca-file': pem('P'), 'requestheader-allowed-names': '["q","p"]', other: 'x' };
    expect(combinedTrust(existing, { ...settings, clientCa: pem('A') + pem('B'), requestheaderClientCaFile: pem('P') })).toEqual({
      'client-ca-file': pem('A') + pem('B'),
      'requestheader-client-ca-file': pem('P'),
      'requestheader-allowed-names': '["q","p"]', 'requestheader-extra-headers-prefix': '["E-"]', 'requestheader-group-headers': '["G"]', 'requestheader-uid-headers': '["I"]', 'requestheader-username-headers': '["U"]',
    });
  });

  it('is not made of what cannot be read', () => {
    expect(() => combinedTrust({ 'requestheader-client-ca-file': pem('P'), 'requestheader-allowed-names': 'p' }, settings)).toThrow();
    expect(() => combinedTrust({ 'requestheader-client-ca-file': pem('P'), 'requestheader-allowed-names': '{}' }, settings)).toThrow('not a list');
  });
});

describe('old discovery', () => {
  it('reads as the new one does', () => {
    const resources = [
      { name: 'things/status', namespaced: true, kind: 'Thing', verbs: ['get'] },
      { name: 'things', singularName: 'thing', namespaced: true, kind: 'Thing', shortNames: ['th'], categories: ['all'], verbs: ['get', 'list'] },
      { name: 'things/scale', namespaced: true, group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get'] },
      { name: 'places', namespaced: false, kind: 'Place', verbs: [] },
    ];
    expect(fromResourceList({ resources })).toEqual([
      {
        resource: 'things', singularResource: 'thing', scope: 'Namespaced', responseKind: { group: '', version: '', kind: 'Thing' }, shortNames: ['th'], categories: ['all'], verbs: ['get', 'list'],
        subresources: [
          { subresource: 'status', responseKind: { group: '', version: '', kind: 'Thing' }, verbs: ['get'] },
          { subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: ['get'] },
        ],
      },
      { resource: 'places', singularResource: '', scope: 'Cluster', responseKind: { group: '', version: '', kind: 'Place' }, verbs: [] },
    ]);
    expect(fromResourceList({ resources: 'none' })).toEqual([]);
  });
});

describe('the work loop', () => {
  it('comes back to what fails, ever later, and to everything after a while', async () => {
    const { env, clock } = new FakeCluster();
    const stop = new AbortController();
    const worked: number[] = [];
    let isBroken = true;
    startWorkLoop(env, {
      name: 'test', concurrency: 1, maxDelayMs: 20, resyncMs: 1_000, keys: () => ['k'],
      work: async () => {
        worked.push(clock.monotonic());
        if (isBroken) throw new Error('broken');
        return 'done';
      },
    }, stop.signal);
    await clock.advance(60);
    const gaps = worked.slice(1).map((at, i) => at - (worked[i] ?? 0));
    expect(gaps.slice(0, 4)).toEqual([5, 10, 20, 20]);
    isBroken = false;
    await clock.advance(30);
    const until = worked.length;
    await clock.advance(880);
    expect(worked.length).toBe(until);
    await clock.advance(100);
    expect(worked.length).toBe(until + 1);
    stop.abort();
    await clock.advance(5_000);
    expect(worked.length).toBe(until + 1);
  });
});
