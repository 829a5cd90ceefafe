import type { Ingress, IngressClass } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { decider, ingress, nginxClass, tableOf, told } from '../testing/world.ts';

const other: IngressClass = { metadata: { name: 'other' }, spec: { controller: 'example.com/x' } };
const to = (ingresses: Ingress[], host: string, path: string, classes: IngressClass[] = [nginxClass, other]): string => told(decider(ingresses, { classes }).ask(`http://${host}${path}`)).split(' ')[0] ?? '';

describe('routing', () => {
  const shop = [ingress('shop', { 'shop.test': [['/', 'Prefix', 'web'], ['/api', 'Prefix', 'api'], ['/api/v1/exact', 'Exact', 'exact']], '*.wild.test': [['/', 'Prefix', 'wild']], '': [['/any', 'Prefix', 'any']] }), ingress('narrow', { 'narrow.test': [['/only', 'Prefix', 'only']] })];
  it.each([
    ['shop.test', '/', 'web'],
    ['SHOP.test:8080', '/', 'web'],
    ['shop.test', '/api', 'api'],
    ['shop.test', '/api/', 'api'],
    ['shop.test', '/api/x', 'api'],
    ['shop.test', '/apix', 'web'],
    ['shop.test', '/api/v1/exact', 'exact'],
    ['shop.test', '/api/v1/exact/', 'api'],
    ['a.wild.test', '/', 'wild'],
    ['a.b.wild.test', '/', '404'],
    ['wild.test', '/', '404'],
    ['other.test', '/any/x', 'any'],
    ['other.test', '/', '404'],
    ['narrow.test', '/only', 'only'],
    ['narrow.test', '/any/x', '404'],
  ])('%s%s goes to %s', (host, path, wanted) => expect(to(shop, host, path)).toBe(wanted));

  it('keeps to its own class', () => {
    expect(to([ingress('x', { 'a.test': [['/', 'Prefix', 'web']] }, {}, { ingressClassName: 'other' })], 'a.test', '/')).toBe('404');
    const bare = ingress('x', { 'a.test': [['/', 'Prefix', 'web']] });
    delete bare.spec?.ingressClassName;
    expect(to([bare], 'a.test', '/')).toBe('404');
    const fallback = { ...nginxClass, metadata: { name: 'nginx', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } };
    expect(to([bare], 'a.test', '/', [fallback])).toBe('web');
  });

  it('serves certificates from secrets, by exact name and wildcard', () => {
    const secrets = { cert: { data: { 'tls.crt': btoa('C'), 'tls.key': btoa('K') } } };
    const table = tableOf([ingress('tls', { 'shop.test': [['/', 'Prefix', 'web']] }, {}, { tls: [{ hosts: ['shop.test', '*.wild.test'], secretName: 'cert' }] })], { secrets });
    expect(table.certificate('SHOP.test')).toEqual({ cert: 'C', key: 'K', namespace: 'd', secret: 'cert' });
    expect(table.certificate('a.wild.test')).toEqual({ cert: 'C', key: 'K', namespace: 'd', secret: 'cert' });
    expect(table.certificate('nope.test')).toBeUndefined();
  });

  it('falls back to the default backend, also for paths a host does not have', () => {
    const fallback = ingress('x', {}, {}, { defaultBackend: { service: { name: 'fallback', port: { number: 80 } } } });
    expect(to([fallback], 'anything.test', '/deep')).toBe('fallback');
    expect(to([fallback, ...shop], 'narrow.test', '/other')).toBe('fallback');
  });

  it('leaves a path to the older Ingress', () => {
    const older = ingress('z', { 'a.test': [['/', 'Prefix', 'old']] });
    const younger = ingress('a', { 'a.test': [['/', 'Prefix', 'new']] });
    const dated = (one: Ingress, creationTimestamp: string): Ingress => ({ ...one, metadata: { ...one.metadata, creationTimestamp } });
    expect(to([dated(younger, '2026-02-01T00:00:00Z'), dated(older, '2026-01-01T00:00:00Z')], 'a.test', '/')).toBe('old');
  });

  it('serves aliases, unless a host has the name itself', () => {
    const rules = [ingress('a', { 'a.test': [['/', 'Prefix', 'a']] }, { 'server-alias': 'alias.test, b.test' }), ingress('b', { 'b.test': [['/', 'Prefix', 'b']] })];
    expect([to(rules, 'alias.test', '/'), to(rules, 'b.test', '/')]).toEqual(['a', 'b']);
  });
});
