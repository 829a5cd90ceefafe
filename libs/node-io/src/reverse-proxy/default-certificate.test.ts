import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { certificateFacts } from '../pki/index.ts';
import { defaultCertificate } from './default-certificate.ts';
import { fakeCertificate } from './fake-certificate.ts';

const dir = mkdtempSync(join(tmpdir(), 'orrery-default-certificate-'));
afterAll(() => rmSync(dir, { recursive: true }));

const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const [ours, other] = [fakeCertificate(0), fakeCertificate(0)];
const cert = file('ours.crt', ours.cert);
const key = file('ours.key', ours.key);

it('is the pair in the files, else one made at the time', () => {
  expect(defaultCertificate({ defaultCert: cert, defaultKey: key }, 7)).toEqual(ours);
  expect(certificateFacts(defaultCertificate({ defaultCert: '', defaultKey: '' }, 1_000).cert)).toMatchObject({ notAfterMs: 365 * 86_400_000 + 1_000, issuerCommonName: expect.stringContaining('Fake') });
});

it.each([
  ['a certificate without its key', cert, '', '--default-cert and --default-key go together'],
  ['a key without its certificate', '', key, '--default-cert and --default-key go together'],
  ['a file that is not there', join(dir, 'none.crt'), key, `--default-cert ${join(dir, 'none.crt')}: ENOENT`],
  ['a key in the place of the certificate', key, key, `--default-cert ${key}: `],
  ['a certificate in the place of the key', cert, cert, `--default-key ${cert}: `],
  ['the key of another', cert, file('other.key', other.key), `--default-key ${join(dir, 'other.key')} is not the key of --default-cert ${cert}`],
])('refuses %s', (_what, defaultCert, defaultKey, why) => {
  expect(() => defaultCertificate({ defaultCert, defaultKey }, 0)).toThrow(why);
});
