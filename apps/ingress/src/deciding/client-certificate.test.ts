import { seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import type { PresentedCertificate } from '../proxy.ts';
import { decider, ingress, planOf, testEnv, told } from '../testing/world.ts';
import { ResponseTimes } from './response-times.ts';

type Annotations = Readonly<Record<string, string>>;
const root = { 'a.test': [['/', 'Prefix', 'web']] } satisfies Parameters<typeof ingress>[1];
const secrets = { ca: { data: { 'ca.crt': Buffer.from('PEM').toString('base64') } }, empty: { data: {} } };
const good: PresentedCertificate = { pem: 'P E+M', subject: 'CN=ann,O=staff', issuer: 'CN=ca', commonName: 'ann', error: '', intermediates: 0 };
const selfSigned = { ...good, error: 'DEPTH_ZERO_SELF_SIGNED_CERT' };
const ask = (annotations: Annotations, shown: PresentedCertificate | undefined, url = 'https://a.test/x') => decider([ingress('x', root, { 'auth-tls-secret': 'd/ca', 'ssl-redirect': 'false', ...annotations })], { secrets }).ask(url, { 'ssl-client-verify': 'SUCCESS' }, { clientCertificate: () => shown });

it.each<[what: string, annotations: Annotations, shown: PresentedCertificate | undefined, wanted: string]>([
  ['a good one', {}, good, 'web /x'],
  ['none', {}, undefined, '400'],
  ['none, sent to a page', { 'auth-tls-error-page': 'https://a.test/help' }, undefined, '302 https://a.test/help'],
  ['one of somebody else', {}, { ...good, error: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, '400'],
  ['none, which need not be', { 'auth-tls-verify-client': 'optional' }, undefined, 'web /x'],
  ['a bad one, which need not be', { 'auth-tls-verify-client': 'optional' }, selfSigned, '400'],
  ['one without authority, which need not have one', { 'auth-tls-verify-client': 'optional_no_ca' }, selfSigned, 'web /x'],
  ['an expired one all the same', { 'auth-tls-verify-client': 'optional_no_ca' }, { ...good, error: 'CERT_HAS_EXPIRED' }, '400'],
  ['a long chain', {}, { ...good, intermediates: 2 }, '400'],
  ['a long chain that may be', { 'auth-tls-verify-depth': '2' }, { ...good, intermediates: 2 }, 'web /x'],
  ['another name', { 'auth-tls-match-cn': 'CN=^bob$' }, good, '403'],
  ['that name', { 'auth-tls-match-cn': 'CN=^(ann|bob)$' }, good, 'web /x'],
  ['not asked for', { 'auth-tls-verify-client': 'off' }, undefined, 'web /x'],
  ['a Secret without authority', { 'auth-tls-secret': 'empty' }, good, '403'],
])('a client shows %s', (_what, annotations, shown, wanted) => expect(told(ask(annotations, shown))).toBe(wanted));

it('backends are told of it, whatever the client says', () => {
  expect(planOf(ask({}, good)).setHeaders).toMatchObject({ 'ssl-client-verify': 'SUCCESS', 'ssl-client-subject-dn': 'CN=ann,O=staff', 'ssl-client-issuer-dn': 'CN=ca', 'ssl-client-cert': '' });
  expect(planOf(ask({ 'auth-tls-pass-certificate-to-upstream': 'true' }, good)).setHeaders).toMatchObject({ 'ssl-client-cert': 'P%20E%2BM' });
  expect(planOf(ask({ 'auth-tls-verify-client': 'optional' }, undefined)).setHeaders).toMatchObject({ 'ssl-client-verify': 'NONE' });
  expect(planOf(ask({ 'auth-tls-verify-client': 'optional_no_ca' }, selfSigned)).setHeaders).toMatchObject({ 'ssl-client-verify': 'FAILED:depth zero self signed cert' });
  expect(told(ask({}, undefined, 'http://a.test/x'))).toBe('web /x');
});

it.each<[what: string, annotations: Annotations, wanted: string]>([
  ['a known address is enough', { satisfy: 'any', 'whitelist-source-range': '192.0.2.0/24' }, 'web /'],
  ['another address has to say who it is', { satisfy: 'any', 'whitelist-source-range': '198.51.100.0/24' }, 'later'],
  ['both are needed', { 'whitelist-source-range': '198.51.100.0/24' }, '403'],
])('source ranges and passwords: %s', (_what, annotations, wanted) => {
  const { ask: asking } = decider([ingress('x', root, { 'auth-type': 'basic', 'auth-secret': 's', ...annotations })]);
  expect(told(asking('http://a.test/'))).toBe(wanted);
});

it('ewma prefers what answers quickly, and gives what was slow another chance', async () => {
  const env = testEnv();
  const times = new ResponseTimes({ clock: env.clock, random: seededRandom(3) });
  const [quick, slow] = [{ ip: '10.0.0.1', port: 80 }, { ip: '10.0.0.2', port: 80 }];
  const share = (): number => Array.from({ length: 200 }, () => times.order([quick, slow])[0]).filter((one) => one === slow).length;
  const attempt = { status: 200, connectSeconds: 0, headerSeconds: 0, bytes: 0 };
  times.note([{ ...attempt, endpoint: quick, seconds: 0.01 }, { ...attempt, endpoint: slow, seconds: 1 }]);
  expect(share()).toBe(0);
  expect(times.order([quick, slow])).toEqual([quick, slow]);
  await env.clock.advance(60_000);
  times.note([{ ...attempt, endpoint: quick, seconds: 0.01 }]);
  expect(share()).toBe(200);
  expect(planOf(decider([ingress('x', root, { 'load-balance': 'ewma' })], { endpoints: { web: ['1', '2', '3'] } }).ask('http://a.test/')).endpoints.map(({ ip }) => ip).sort()).toEqual(['1', '2', '3']);
});
