import { expect, it } from 'vitest';
import { prefix, readAnnotations } from './read.ts';
import { readGlobal } from './global.ts';

const { settings: global } = readGlobal({});
const problem = (name: string, value: string): string | undefined => readAnnotations({ [prefix + name]: value }, 'd', global).problems[0];

it.each([
  ['ssl-redirect', 'maybe', '"maybe" is not true or false'],
  ['canary-weight', '-1', undefined],
  ['proxy-read-timeout', 'soon', '"soon" is not a time'],
  ['proxy-body-size', '1 apple', '"1 apple" is not a size'],
  ['whitelist-source-range', '10.0.0.0/99', '"10.0.0.0/99" is not an address or CIDR'],
  ['permanent-redirect-code', '200', '"200" is not a status code from 300 to 308'],
  ['backend-protocol', 'FTP', '"FTP" is not one of HTTP, HTTPS, GRPC, GRPCS'],
  ['rewrite-target', '/x; return 200', '"/x; return 200" is not without line breaks, semicolons or braces'],
  ['affinity', 'ip', '"ip" is not one of , cookie'],
])('%s: %s', (name, value, wanted) => {
  if (name === 'canary-weight') return expect(readAnnotations({ [`${prefix}canary`]: 'true', [`${prefix}canary-weight`]: value }, 'd', global).problems).toHaveLength(1);
  if (name === 'permanent-redirect-code') return expect(readAnnotations({ [`${prefix}permanent-redirect`]: 'http://x', [prefix + name]: value }, 'd', global).problems[0]).toContain(wanted);
  return expect(problem(name, value)).toBe(`annotation ${prefix}${name} contains invalid value: ${wanted ?? ''}`);
});

it('refuses snippets', () => expect(problem('configuration-snippet', 'return 200;')).toContain('snippet annotations are disabled by the administrator'));

it('reads the ConfigMap, and says what it cannot', () => {
  const { settings, problems } = readGlobal({ 'proxy-body-size': '20m', hsts: 'false', 'http-redirect-code': 'x', 'no-such-key': '1' });
  expect(settings).toMatchObject({ bodyLimit: 20 * 1024 ** 2, hsts: '', redirectStatus: 308 });
  expect(problems).toEqual(['http-redirect-code: "x" is not a number']);
});
