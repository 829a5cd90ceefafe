import { expect, test } from 'vitest';
import { refusal, validity } from './plan.ts';
import type { CsrSubject } from './signer.ts';

const node: CsrSubject = { commonName: 'system:node:n1', organizations: ['system:nodes'], dnsNames: [], ipAddresses: [], emailAddresses: [], uris: [] };
const served: CsrSubject = { ...node, dnsNames: ['n1'] };
const why = (signer: string, usages: string[], subject: CsrSubject) => refusal({ request: '', signerName: `kubernetes.io/${signer}`, usages }, subject);

test.each([
  ['kube-apiserver-client-kubelet', ['digital signature', 'client auth'], node, undefined],
  ['kube-apiserver-client-kubelet', ['key encipherment', 'digital signature', 'client auth'], node, undefined],
  ['kube-apiserver-client-kubelet', ['client auth'], node, 'usages did not match [client auth digital signature key encipherment]'],
  ['kube-apiserver-client-kubelet', ['client auth'], { ...node, organizations: ['a'] }, 'subject organization is not system:nodes'],
  ['kube-apiserver-client-kubelet', ['client auth'], { ...node, commonName: 'n1' }, 'subject common name does not begin with system:node: '],
  ['kube-apiserver-client-kubelet', ['digital signature', 'client auth'], { ...node, uris: ['a:b'] }, 'URI subjectAltNames are not allowed'],
  ['kubelet-serving', ['digital signature', 'server auth'], served, undefined],
  ['kubelet-serving', ['digital signature', 'server auth'], node, 'DNS or IP subjectAltName is required'],
  ['kubelet-serving', ['digital signature', 'server auth'], { ...served, emailAddresses: ['a@b'] }, 'Email subjectAltNames are not allowed'],
  ['kubelet-serving', ['digital signature', 'server auth', 'client auth'], served, 'usages did not match [digital signature key encipherment server auth]'],
  ['kube-apiserver-client', ['client auth'], { ...node, commonName: 'jane' }, undefined],
  ['kube-apiserver-client', ['client auth', 'server auth'], node, 'invalid usage for client certificate: server auth'],
  ['kube-apiserver-client', ['digital signature'], node, 'missing required usage for client certificate: client auth'],
  ['legacy-unknown', ['any'], node, undefined],
  ['other', ['any'], node, false],
])('%s of %j for %j: %s', (signer, usages, subject, expected) => expect(why(signer, usages, subject)).toBe(expected));

test.each([
  [undefined, 24, 23 * 60 + 55],
  [3_600, 24, 60],
  [8 * 3_600, 24, 8 * 60 - 5],
  [100 * 3_600, 24, 23 * 60 + 55],
  [60, 24, 10],
])('asked for %s seconds where %s hours is most: %s minutes from now', (seconds, hours, minutes) => {
  expect(validity(seconds, { longestMs: hours * 3_600_000, nowMs: 0 })).toEqual({ notBeforeMs: -5 * 60_000, notAfterMs: minutes * 60_000 });
});
