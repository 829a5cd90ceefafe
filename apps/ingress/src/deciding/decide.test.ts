import { describe, expect, it } from 'vitest';
import { type WorldOptions, decider, ingress, planOf, told } from '../testing/world.ts';

type Annotations = Readonly<Record<string, string>>;
const root = { 'a.test': [['/', 'Prefix', 'web']] } satisfies Parameters<typeof ingress>[1];
const one = (annotations: Annotations = {}, options: WorldOptions = {}) => decider([ingress('x', root, annotations)], options);

describe('redirects', () => {
  const tls = { tls: [{ hosts: ['a.test'] }] };
  it.each<[what: string, annotations: Annotations, url: string, wanted: string, withTls?: boolean]>([
    ['to TLS where there is', {}, 'http://a.test/x?y=1', '308 https://a.test:8443/x?y=1', true],
    ['not when told so', { 'ssl-redirect': 'false' }, 'http://a.test/', 'web /', true],
    ['not over TLS', {}, 'https://a.test/', 'web /', true],
    ['to TLS by force', { 'force-ssl-redirect': 'true' }, 'http://a.test/', '308 https://a.test:8443/'],
    ['for good', { 'permanent-redirect': 'https://b.test/' }, 'http://a.test/', '301 https://b.test/'],
    ['for good, with a code', { 'permanent-redirect': 'https://b.test$request_uri', 'permanent-redirect-code': '308' }, 'http://a.test/p?q', '308 https://b.test/p?q'],
    ['for now', { 'temporal-redirect': 'https://b.test' }, 'http://a.test/', '302 https://b.test'],
    ['to the root of the application', { 'app-root': '/app' }, 'http://a.test/', '302 http://a.test/app'],
    ['from the root only', { 'app-root': '/app' }, 'http://a.test/x', 'web /x'],
    ['from www', { 'from-to-www-redirect': 'true' }, 'http://www.a.test/x', '308 http://a.test/x'],
    ['by a global code', {}, 'http://a.test/', '301 https://a.test:8443/', true],
  ])('%s', (what, annotations, url, wanted, withTls = false) => {
    const global: Record<string, string> = what.includes('global') ? { 'http-redirect-code': '301' } : {};
    expect(told(decider([ingress('x', root, annotations, withTls ? tls : {})], { global }).ask(url))).toBe(wanted);
  });
});

describe('rewriting', () => {
  it.each<[path: string, type: string, target: string, url: string, wanted: string]>([
    ['/something(/|$)(.*)', 'ImplementationSpecific', '/$2', '/something/new?a=b', '/new?a=b'],
    ['/something(/|$)(.*)', 'ImplementationSpecific', '/$2', '/something', '/'],
    ['/SOMETHING(/|$)(.*)', 'ImplementationSpecific', '/$2', '/something/x', '/x'],
    ['/app', 'Prefix', '/', '/app/deep', '/'],
    ['/api/v(\\d+)/(.*)', 'ImplementationSpecific', '/v$1-$2?from=proxy', '/api/v2/x?y=1', '/v2-x?from=proxy&y=1'],
  ])('%s to %s: %s %s asks for %s', (path, type, target, url, wanted) => {
    const { ask } = decider([ingress('x', { 'a.test': [[path, type, 'web']] }, { 'rewrite-target': target })]);
    expect(told(ask(`http://a.test${url}`))).toBe(`web ${wanted}`);
  });
});

describe('canaries', () => {
  const pair = (annotations: Annotations) => decider([ingress('main', root), ingress('new', { 'a.test': [['/', 'Prefix', 'canary']] }, { canary: 'true', ...annotations })]);
  it.each<[what: string, annotations: Annotations, headers: Annotations, wanted: string]>([
    ['header always', { 'canary-by-header': 'X-New' }, { 'x-new': 'always' }, 'canary'],
    ['header never, against the weight', { 'canary-by-header': 'X-New', 'canary-weight': '100' }, { 'x-new': 'never' }, 'web'],
    ['another header value leaves it to the weight', { 'canary-by-header': 'X-New', 'canary-weight': '100' }, { 'x-new': 'maybe' }, 'canary'],
    ['header value', { 'canary-by-header': 'X-New', 'canary-by-header-value': 'blue' }, { 'x-new': 'blue' }, 'canary'],
    ['header value, other', { 'canary-by-header': 'X-New', 'canary-by-header-value': 'blue' }, { 'x-new': 'always' }, 'web'],
    ['header pattern', { 'canary-by-header': 'X-New', 'canary-by-header-pattern': '^v[23]$' }, { 'x-new': 'v3' }, 'canary'],
    ['cookie always', { 'canary-by-cookie': 'new' }, { cookie: 'a=b; new=always' }, 'canary'],
    ['cookie never', { 'canary-by-cookie': 'new', 'canary-weight': '100' }, { cookie: 'new=never' }, 'web'],
    ['no weight', {}, {}, 'web'],
    ['all the weight', { 'canary-weight': '100' }, {}, 'canary'],
    ['all of another total', { 'canary-weight': '100', 'canary-weight-total': '1000' }, { 'x-none': '' }, 'web'],
  ])('%s', (_what, annotations, headers, wanted) => expect(told(pair(annotations).ask('http://a.test/', headers))).toBe(`${wanted} /`));

  it('splits by weight', () => {
    const { ask } = pair({ 'canary-weight': '30' });
    const canaries = Array.from({ length: 4000 }, () => told(ask('http://a.test/'))).filter((where) => where.startsWith('canary')).length;
    expect(Math.abs(canaries / 4000 - 0.3)).toBeLessThan(0.03);
  });
});

describe('sticky clients', () => {
  const endpoints = { web: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'] };
  const cookieOf = (text: string | undefined): string => text?.split(';')[0] ?? '';
  it.each(['balanced', 'persistent'])('stay with their endpoint (%s)', (mode) => {
    const { ask } = one({ affinity: 'cookie', 'affinity-mode': mode, 'session-cookie-name': 'route', 'session-cookie-max-age': '60', 'session-cookie-samesite': 'Lax', 'session-cookie-path': '/p' }, { endpoints });
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const first = planOf(ask('http://a.test/'));
      expect(first.cookies[0]).toMatch(/^route=[^;]+\|[0-9a-f]{8}; Max-Age=60; Path=\/p; HttpOnly; SameSite=Lax$/);
      const again = planOf(ask('http://a.test/', { cookie: cookieOf(first.cookies[0]) }));
      expect(again.endpoints[0]).toEqual(first.endpoints[0]);
      expect(again.cookies).toEqual([]);
      seen.add(first.endpoints[0]?.ip ?? '');
    }
    expect(seen.size).toBeGreaterThan(1);
  });
  it('get another when theirs is gone, and mark cookies secure over TLS', () => {
    const annotations = { affinity: 'cookie', 'affinity-mode': 'persistent' };
    const before = planOf(one(annotations, { endpoints: { web: ['10.0.0.1'] } }).ask('https://a.test/'));
    expect(before.cookies[0]).toMatch(/^INGRESSCOOKIE=.*; Path=\/; Secure; HttpOnly$/);
    const after = planOf(one(annotations, { endpoints: { web: ['10.0.0.2'] } }).ask('http://a.test/', { cookie: cookieOf(before.cookies[0]) }));
    expect([after.endpoints[0]?.ip, after.cookies.length]).toEqual(['10.0.0.2', 1]);
  });
  it('may change when their endpoint fails', () => {
    const { ask } = one({ affinity: 'cookie', 'affinity-mode': 'persistent', 'session-cookie-change-on-failure': 'true' }, { endpoints });
    const first = planOf(ask('http://a.test/'));
    const [bad] = first.endpoints;
    if (bad) first.failed?.(bad);
    const again = planOf(ask('http://a.test/', { cookie: cookieOf(first.cookies[0]) }));
    expect(again.endpoints[0]).not.toEqual(bad);
  });
  it('are spread by what upstream-hash-by names, and few move when an endpoint goes', () => {
    const by = (ips: readonly string[]): Map<number, string | undefined> => {
      const { ask } = one({ 'upstream-hash-by': '$arg_user' }, { endpoints: { web: ips } });
      return new Map(Array.from({ length: 200 }, (_, i) => [i, planOf(ask(`http://a.test/?user=${i}`)).endpoints[0]?.ip]));
    };
    const [all, fewer] = [by(endpoints.web), by(endpoints.web.slice(1))];
    expect(new Set(all.values()).size).toBe(4);
    for (const [user, ip] of all) if (ip !== '10.0.0.1') expect(fewer.get(user)).toBe(ip);
  });
});

describe('limits', () => {
  it('lets a burst pass and then the rate', async () => {
    const { ask, env } = one({ 'limit-rps': '2', 'limit-burst-multiplier': '3' });
    const burst = (): number => Array.from({ length: 20 }, () => told(ask('http://a.test/'))).filter((where) => where === 'web /').length;
    expect(burst()).toBe(7);
    await (env.clock as { advance(ms: number): Promise<void> } & typeof env.clock).advance(1_000);
    expect(burst()).toBe(2);
    expect(told(ask('http://a.test/', {}, { clientIp: '192.0.2.9' }))).toBe('web /');
    expect(told(one({ 'limit-rps': '1', 'limit-burst-multiplier': '1', 'limit-whitelist': '192.0.2.0/24' }).ask('http://a.test/'))).toBe('web /');
  });
  it('counts connections until they end', () => {
    const { ask } = one({ 'limit-connections': '1' }, { global: { 'limit-conn-status-code': '429' } });
    const first = ask('http://a.test/');
    expect(told(ask('http://a.test/'))).toBe('429');
    if (!(first instanceof Promise)) (first.tag as { release(): void }).release();
    expect(told(ask('http://a.test/'))).toBe('web /');
  });
});

describe('who may come in', () => {
  it.each<[annotations: Annotations, headers: Annotations, wanted: string]>([
    [{ 'whitelist-source-range': '10.0.0.0/8' }, {}, '403'],
    [{ 'whitelist-source-range': '192.0.2.1' }, {}, 'web /'],
    [{ 'denylist-source-range': '192.0.2.0/24' }, {}, '403'],
    [{ 'whitelist-source-range': '10.0.0.0/8' }, { 'x-forwarded-for': '10.1.1.1' }, '403'],
  ])('%j from %j: %s', (annotations, headers, wanted) => expect(told(one(annotations).ask('http://a.test/', headers))).toBe(wanted));

  it('believes forwarded headers when told so', () => {
    const { ask } = one({ 'whitelist-source-range': '10.0.0.0/8' }, { global: { 'use-forwarded-headers': 'true' } });
    expect(told(ask('http://a.test/', { 'x-forwarded-for': '10.1.1.1, 10.2.2.2' }))).toBe('web /');
  });

  it('asks for a password', async () => {
    const { ask } = one({ 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'Here' }, { secrets: { users: { data: { auth: btoa('ann:pw\nbob:x\n') } } } });
    const basic = (text: string): Annotations => ({ authorization: `Basic ${btoa(text)}` });
    expect(await ask('http://a.test/')).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Basic realm="Here"' } });
    expect(await ask('http://a.test/', basic('ann:no'))).toMatchObject({ status: 401 });
    expect(await ask('http://a.test/', basic('ann:pw'))).toMatchObject({ kind: 'forward' });
  });
});

describe('CORS', () => {
  it('answers preflights and adds headers', () => {
    const { ask } = one({ 'enable-cors': 'true', 'cors-allow-origin': 'https://*.b.test, https://c.test', 'cors-max-age': '60' });
    const preflight = ask('http://a.test/', { origin: 'https://x.b.test' }, { method: 'OPTIONS' });
    expect(preflight).toMatchObject({ kind: 'reply', status: 204, headers: { 'access-control-allow-origin': 'https://x.b.test', 'access-control-allow-credentials': 'true', 'access-control-max-age': '60' } });
    expect(planOf(ask('http://a.test/', { origin: 'https://c.test' })).responseHeaders['access-control-allow-origin']).toBe('https://c.test');
    expect(planOf(ask('http://a.test/', { origin: 'https://evil.test' })).responseHeaders['access-control-allow-origin']).toBeUndefined();
    expect(planOf(one({ 'enable-cors': 'true' }).ask('http://a.test/')).responseHeaders['access-control-allow-origin']).toBe('*');
  });
});

describe('what backends are told', () => {
  it('is who asks and how, whatever the client claims', () => {
    const { setHeaders } = planOf(one({ 'upstream-vhost': 'inner', 'x-forwarded-prefix': '/p' }).ask('http://a.test:81/x', { 'x-forwarded-for': '6.6.6.6', 'x-request-id': 'id1' }));
    expect(setHeaders).toMatchObject({ host: 'inner', 'x-real-ip': '192.0.2.1', 'x-forwarded-for': '192.0.2.1', 'x-original-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'a.test:81', 'x-forwarded-port': '81', 'x-forwarded-proto': 'http', 'x-request-id': 'id1', 'x-forwarded-prefix': '/p' });
  });
  it('has times, sizes and retries of annotations over those of the ConfigMap', () => {
    const options = { global: { 'proxy-body-size': '8m', 'proxy-read-timeout': '10', 'add-headers': 'n/add', 'proxy-set-headers': 'n/set' }, configMaps: { 'n/add': { 'X-Added': '1' }, 'n/set': { 'X-Set': '$remote_addr' } } };
    const plan = planOf(one({ 'proxy-read-timeout': '20', 'proxy-next-upstream': 'error http_502', 'proxy-next-upstream-tries': '5', 'backend-protocol': 'grpc', 'mirror-target': 'https://m.test$request_uri' }, options).ask('https://a.test/x'));
    expect(plan).toMatchObject({ bodyLimit: 8 * 1024 ** 2, readTimeoutMs: 20_000, connectTimeoutMs: 5_000, tries: 5, protocol: 'GRPC', mirror: { url: 'https://m.test/x', body: true }, responseHeaders: { 'x-added': '1', 'strict-transport-security': 'max-age=31536000; includeSubDomains' }, setHeaders: { 'x-set': '192.0.2.1' } });
    expect([...plan.retryOn]).toEqual(['error', 'http_502']);
  });
  it('is nothing when there is nobody: 503, or the default backend of the annotation', () => {
    expect(told(one({}, { endpoints: { web: [] } }).ask('http://a.test/'))).toBe('503');
    expect(told(one({ 'default-backend': 'spare' }, { endpoints: { web: [] } }).ask('http://a.test/'))).toBe('spare /');
    expect(planOf(one({ 'service-upstream': 'true' }).ask('http://a.test/')).endpoints).toEqual([{ ip: '10.96.0.1', port: 80 }]);
  });
});
