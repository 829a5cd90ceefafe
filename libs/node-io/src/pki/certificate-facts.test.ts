import { expect, it } from 'vitest';
import { fakeCertificate } from '../reverse-proxy/fake-certificate.ts';
import { certificateFacts } from './certificate-facts.ts';

/** Of two organizations, two common names and a serial number, made by openssl; its key is of Ed25519. */
const several = `-----BEGIN CERTIFICATE-----
MIIBrjCCAWCgAwIBAgILD/////////////8wBQYDK2VwMFAxDjAMBgNVBAoMBWZpcnN0MQ8wDQYDVQQKDAZzZWNvbmQxDDAKBgNVBAMMA29uZTEMMAoGA1UEAwwDdHdvMREwDwYDVQQFEwhhYmNkMTIzNDAgFw0yNjExMjEyMjAwMDhaGA8yMTI2MTAyODIyMDAwOFowUDEOMAwGA1UECgwFZmlyc3QxDzANBgNVBAoMBnNlY29uZDEMMAoGA1UEAwwDb25lMQwwCgYDVQQDDAN0d28xETAPBgNVBAUTCGFiY2QxMjM0MCowBQYDK2VwAyEAmjbHwrcwGntDWqXxO2kAmaddefnn0vtyKG9RpInnzRGjUzBRMB0GA1UdDgQWBBT22tpu5lAIGmpKJ/s7+HOeeqG3njAfBgNVHSMEGDAWgBT22tpu5lAIGmpKJ/s7+HOeeqG3njAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBANCzlE/UJFEA9qcyWZ43uy8ic9qZvjlmqSgbEU3FH9eyr2B0QnN8+wAVq5oqE1s3OQ+GKa3GpnmGJvlABR0qDgo=
-----END CERTIFICATE-----`;

it.each([
  ['with names that repeat', several, { notAfterMs: Date.UTC(2126, 9, 28, 22, 0, 8), serialNumber: String(2n ** 84n - 1n), issuerCommonName: 'two', issuerOrganization: 'first', issuerSerialNumber: 'abcd1234', publicKeyAlgorithm: 'Ed25519' }],
  ['of our own', fakeCertificate(0).cert, { notAfterMs: 365 * 86_400_000, serialNumber: expect.stringMatching(/^[0-9]+$/), issuerCommonName: 'Kubernetes Ingress Controller Fake Certificate', issuerOrganization: 'Acme Co', issuerSerialNumber: '', publicKeyAlgorithm: 'ECDSA' }],
])('reads a certificate %s', (_what, pem, facts) => {
  expect(certificateFacts(pem)).toEqual(facts);
});

it('throws for what is no certificate', () => {
  expect(() => certificateFacts('rubbish')).toThrow();
});
