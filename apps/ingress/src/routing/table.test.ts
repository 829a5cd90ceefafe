import type { EndpointSlice, Ingress, IngressClass, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { type IngressWorld, buildTable } from './table.ts';

const controller = 'k8s.io/ingress-nginx';
const nginx: IngressClass = { metadata: { name: 'nginx' }, spec: { controller } };
const other: IngressClass = { metadata: { name: 'other' }, spec: { controller: 'example.com/x' } };

type Path = [path: string, type: string, service: string];

function ingress(name: string, hosts: Record<string, Path[]>, more: Partial<Ingress['spec']> = {}): Ingress {
  const rules = Object.entries(hosts).map(([host, paths]) => ({
    ...(host ? { host } : {}),
    http: { paths: paths.map(([path, pathType, service]) => ({ path, pathType, backend: { service: { name: service, port: { number: 80 } } } })) },
  }));
  return { metadata: { namespace: 'd', name }, spec: { ingressClassName: 'nginx', rules, ...more } };
}

function world(ingresses: Ingress[], classes: IngressClass[] = [nginx, other]): IngressWorld {
  const service: Service = { spec: { ports: [{ port: 80 }] } };
  const slice = (name: string): EndpointSlice => ({ addressType: 'IPv4', ports: [{ port: 8080 }], endpoints: [{ addresses: [name] }, { addresses: ['down'], conditions: { ready: false } }] });
  return {
    ingresses,
    classes,
    service: () => service,
    slices: (_ns, name) => [slice(name)],
    secret: (_ns, name) => (name === 'cert' ? { data: { 'tls.crt': btoa('C'), 'tls.key': btoa('K') } } : undefined),
  };
}

const to = (w: IngressWorld, host: string, path: string): string | undefined => buildTable(w, controller).route(host, path)?.endpoints.map((e) => `${e.ip}:${e.port}`).join();

describe('routing', () => {
  const shop = world([ingress('shop', { 'shop.test': [['/', 'Prefix', 'web'], ['/api', 'Prefix', 'api'], ['/api/v1/exact', 'Exact', 'exact']], '*.wild.test': [['/', 'Prefix', 'wild']], '': [['/any', 'Prefix', 'any']] })]);
  it.each([
    ['shop.test', '/', 'web:8080'],
    ['shop.test', '/api', 'api:8080'],
    ['shop.test', '/api/', 'api:8080'],
    ['shop.test', '/api/x', 'api:8080'],
    ['shop.test', '/apix', 'web:8080'],
    ['shop.test', '/api/v1/exact', 'exact:8080'],
    ['shop.test', '/api/v1/exact/', 'api:8080'],
    ['a.wild.test', '/', 'wild:8080'],
    ['a.b.wild.test', '/', undefined],
    ['other.test', '/any/x', 'any:8080'],
    ['other.test', '/', undefined],
  ])('%s%s goes to %s', (host, path, wanted) => expect(to(shop, host, path)).toBe(wanted));

  it('keeps to its own class', () => {
    expect(to(world([ingress('x', { 'a.test': [['/', 'Prefix', 'web']] }, { ingressClassName: 'other' })]), 'a.test', '/')).toBeUndefined();
    const bare = ingress('x', { 'a.test': [['/', 'Prefix', 'web']] });
    delete bare.spec?.ingressClassName;
    expect(to(world([bare]), 'a.test', '/')).toBeUndefined();
    const fallback = { ...nginx, metadata: { name: 'nginx', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } };
    expect(to(world([bare], [fallback]), 'a.test', '/')).toBe('web:8080');
  });

  it('serves certificates from secrets and redirects to them', () => {
    const table = buildTable(world([ingress('tls', { 'shop.test': [['/', 'Prefix', 'web']] }, { tls: [{ hosts: ['shop.test'], secretName: 'cert' }] })]), controller);
    expect(table.certificate('SHOP.test')).toEqual({ cert: 'C', key: 'K' });
    expect(table.certificate('nope.test')).toBeUndefined();
    expect(table.route('shop.test', '/')?.redirectToTls).toBe(true);
  });

  it('falls back to the default backend', () => {
    const w = world([ingress('x', {}, { defaultBackend: { service: { name: 'fallback', port: { number: 80 } } } })]);
    expect(to(w, 'anything.test', '/deep')).toBe('fallback:8080');
  });
});
