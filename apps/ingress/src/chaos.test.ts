import { ConfigMaps, EndpointSlices, IngressClasses, Ingresses, Services } from '@orrery/api';
import { createFakeApi, createFaultedApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { createIngress } from './component.ts';
import { ingressSchema } from './config.ts';
import type { Attempt, ForwardPlan, ProxiedRequest, ReverseProxy, ReverseProxyHandlers } from './proxy.ts';
import { ingress } from './testing/world.ts';

/** An informer comes back within 20 s, and within 20 more where its revision is too old by then. */
const healedMs = 45_000;
const services = ['red', 'blue', 'green'];
const own = '127.0.0.9';
type Health = 'well' | 'refuses' | 'hangs';

/** Carries requests in memory as the reverse proxy does: asks the endpoints of the plan in their order, as often as it says. */
function dataPlane(clock: VirtualClock, health: (ip: string) => Health) {
  let handlers: ReverseProxyHandlers | undefined;
  const proxy: ReverseProxy = {
    start: (given) => ((handlers = given), Promise.resolve({ http: `${own}:80`, https: `${own}:443` })),
    stop: () => Promise.resolve(void (handlers = undefined)),
    connections: () => 0,
  };
  const carry = async (plan: ForwardPlan, attempts: Attempt[]): Promise<{ status: number; by: string }> => {
    for (const endpoint of plan.endpoints.slice(0, plan.tries || undefined)) {
      const state = health(endpoint.ip);
      if (state === 'hangs') await clock.sleep(plan.readTimeoutMs);
      attempts.push({ endpoint, status: state === 'well' ? 200 : 0, connectSeconds: 0, headerSeconds: 0, seconds: 0, bytes: 0 });
      if (state === 'well') return { status: 200, by: endpoint.ip };
      plan.failed?.(endpoint);
      if (!plan.retryOn.has(state === 'hangs' ? 'timeout' : 'error')) break;
    }
    return { status: 502, by: '' };
  };
  return {
    proxy,
    async ask(host: string): Promise<{ status: number; by: string; plan?: ForwardPlan }> {
      const request: ProxiedRequest = { method: 'GET', host, target: '/', protocol: 'HTTP/1.1', secure: false, headers: { host }, clientIp: '192.0.2.1', clientPort: 4242, upgrade: false };
      const verdict = await handlers?.decide(request);
      if (!verdict) return { status: 0, by: '' };
      const attempts: Attempt[] = [];
      const answer = verdict.kind === 'reply' ? { status: verdict.status, by: '' } : { ...(await carry(verdict.plan, attempts)), plan: verdict.plan };
      handlers?.done({ request, tag: verdict.tag, status: answer.status, bytesSent: 0, requestBytes: 0, seconds: 0, attempts });
      return answer;
    },
  };
}

function world(seed: number) {
  const [clock, random] = [new VirtualClock(), seededRandom(seed)];
  const truth = createFakeApi({ clock, random });
  const link = createFaultedApi({ truth, clock, random, user: 'system:ingress' });
  const ready = new Map<string, string[]>();
  const health = new Map<string, Health>();
  const plane = dataPlane(clock, (ip) => health.get(ip) ?? 'refuses');
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const begin = () => createIngress(env, { api: link.api, proxy: plane.proxy, verify: () => Promise.resolve(false) }, { ...resolveConfig(ingressSchema, [{}]), publishStatusAddress: own });
  let lastIp = 0;
  for (const name of services) {
    truth.seed(Services, { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'd', name }, spec: { clusterIP: `10.96.0.${services.indexOf(name)}`, ports: [{ port: 80, targetPort: 8080 }] } });
    truth.seed(EndpointSlices, { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { namespace: 'd', name, labels: { 'kubernetes.io/service-name': name } }, addressType: 'IPv4', ports: [{ name: '', port: 8080 }], endpoints: [] });
  }
  const route = (host: string, service: string, annotations: Record<string, string> = {}) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', ...ingress(host, { [`${host}.test`]: [['/', 'Prefix', service]] }, { 'proxy-read-timeout': '5', ...annotations }) });
  return {
    clock, random, truth, link, plane, begin, health, ready, route,
    /** A pod of a service comes, at an address that no other ever had, or the oldest goes. */
    async move(service: string): Promise<void> {
      const ips = ready.get(service) ?? [];
      if (ips.length > 2) health.delete(ips.shift() ?? '');
      else health.set(ips[ips.push(`${service}-${++lastIp}`) - 1] as string, 'well');
      ready.set(service, ips);
      const endpoints = ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } }));
      await truth.patch(EndpointSlices, { namespace: 'd', name: service }, { endpoints }, { type: 'application/merge-patch+json' });
    },
    addressOf: (host: string) => truth.find(Ingresses, host, 'd')?.status?.loadBalancer?.ingress?.[0]?.ip,
  };
}

/** Time passes until the work is done. */
async function ended<T>(clock: VirtualClock, work: Promise<T>, withinMs = healedMs): Promise<T> {
  let done = false;
  work.then(() => (done = true), () => (done = true));
  await clock.until(() => done, withinMs);
  return work;
}

it.each([1, 2, 3, 4, 5, 6])('seed %i: no request goes to a back end of another service, it is tried as often as configured, and afterwards routes, retries and status are right', async (seed) => {
  const { clock, random, truth, link, plane, begin, health, ready, move, route, addressOf } = world(seed);
  for (const service of services) for (let i = 0; i < 3; i++) await move(service);
  const hosts = ['a', 'b'];
  /** All that a host was ever routed to, and what it is now. */
  const ever = new Map(hosts.map((host) => [host, ['red']]));
  for (const host of hosts) truth.seed(Ingresses, route(host, 'red'));
  let component = begin();
  await component.start();
  let tries = '3';
  for (let round = 0; round < 3; round++) {
    const ends = [
      () => link.strike({ verb: 'api-error', code: [429, 500, 503][random.int(3)] as number, when: random.int(2) ? 'before' : 'after', percent: 70 }),
      () => link.strike({ verb: 'watch-drop', delayMs: 900 }),
      () => link.strike({ verb: 'watch-delay', delayMs: 1 + random.int(9_000) }),
      () => link.strike({ verb: 'stale-reads' }),
      () => link.strike({ verb: 'partition', delayMs: 3_000 }),
    ].filter(() => random.int(2)).map((strike) => strike());
    link.doubled = random.int(2) / 2;
    for (let step = 0; step < 10; step++) {
      await move(services[random.int(3)] as string);
      for (const ip of health.keys()) health.set(ip, (['well', 'well', 'refuses', 'hangs'] as const)[random.int(4)] as Health);
      const host = hosts[random.int(2)] as string;
      const service = services[random.int(3)] as string;
      tries = String(1 + random.int(3));
      ever.get(host)?.push(service);
      await truth.patch(Ingresses, { namespace: 'd', name: host }, { ...route(host, service, { 'proxy-next-upstream-tries': tries }), status: undefined }, { type: 'application/merge-patch+json' });
      const data = { 'proxy-read-timeout': String(1 + random.int(9)), 'keep-alive': 'nonsense' };
      await truth.delete(ConfigMaps, { namespace: 'ingress-nginx', name: 'ingress-nginx-controller' }).catch(() => undefined);
      await truth.create(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'ingress-nginx', name: 'ingress-nginx-controller' }, data });
      if (random.int(8) === 0) truth.compact();
      await clock.advance(random.int(5_000));
      for (const one of hosts) {
        const { status, plan } = await ended(clock, plane.ask(`${one}.test`));
        expect([200, 502, 503], `status ${status}`).toContain(status);
        const [service] = (plan?.endpoints ?? []).map(({ ip }) => ip.split('-')[0] as string);
        if (service) expect(ever.get(one)).toContain(service);
        expect(new Set((plan?.endpoints ?? []).map(({ ip }) => ip.split('-')[0])).size).toBeLessThanOrEqual(1);
      }
    }
    const added = `h${round}`;
    await truth.create(Ingresses, route(added, 'blue', { 'proxy-next-upstream-tries': '3' }));
    if (random.int(2)) {
      await ended(clock, component.stop());
      component = begin();
      void component.start();
    }
    await clock.advance(5_000);
    for (const end of ends) end();
    link.doubled = 0;
    await clock.advance(healedMs);
    expect(component.ready()).toBe(true);
    for (const ip of health.keys()) health.set(ip, 'well');
    const blue = ready.get('blue') ?? [];
    for (const ip of blue.slice(1)) health.set(ip, 'refuses');
    const { status, by, plan } = await ended(clock, plane.ask(`${added}.test`));
    expect([status, by, plan?.tries, plan?.endpoints.map(({ ip }) => ip).sort()]).toEqual([200, blue[0], 3, [...blue].sort()]);
    for (const host of hosts) expect((await plane.ask(`${host}.test`)).plan?.endpoints.map(({ ip }) => ip).sort()).toEqual([...(ready.get(ever.get(host)?.at(-1) ?? '') ?? [])].sort());
    expect([...hosts, added].map(addressOf)).toEqual([own, own, own]);
  }
  await ended(clock, component.stop());
});

it('requests that hang hold their connections of the limit no longer than they last', async () => {
  const { clock, truth, plane, begin, health, ready, move, route } = world(3);
  await move('red');
  truth.seed(Ingresses, route('a', 'red', { 'limit-connections': '2' }));
  const component = begin();
  await component.start();
  const [ip = ''] = ready.get('red') ?? [];
  health.set(ip, 'hangs');
  const hanging = [plane.ask('a.test'), plane.ask('a.test')];
  await clock.advance(1_000);
  expect((await plane.ask('a.test')).status).toBe(503);
  await clock.advance(4_000);
  expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual([502, 502]);
  health.set(ip, 'well');
  expect((await Promise.all([plane.ask('a.test'), plane.ask('a.test')])).map(({ status }) => status)).toEqual([200, 200]);
  await component.stop();
});

it('through writes that fail it starts and serves, and makes its class and tells addresses within seconds of the end', async () => {
  const { clock, truth, link, begin, route, plane, move, addressOf } = world(4);
  await move('red');
  const refused = link.strike({ verb: 'api-error', code: 503, selector: { verbs: ['create'] } });
  const component = begin();
  const starting = component.start();
  await clock.advance(10_000);
  refused();
  const untold = link.strike({ verb: 'api-error', code: 500, when: 'after', selector: { verbs: ['create'] } });
  await ended(clock, starting, 5_000);
  expect([component.ready(), truth.objects(IngressClasses).length]).toEqual([true, 1]);
  untold();
  const unwritten = link.strike({ verb: 'api-error', code: 429, selector: { verbs: ['write'] } });
  await truth.create(Ingresses, route('a', 'red'));
  await clock.advance(30_000);
  expect([(await plane.ask('a.test')).status, addressOf('a')]).toEqual([200, undefined]);
  unwritten();
  await clock.advance(5_000);
  expect(addressOf('a')).toBe(own);
  await component.stop();
});
