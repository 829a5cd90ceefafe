/**
 * The certificate for `localhost` that the image carries, self-signed and with a public key pair: tests of TLS that do not verify use it.
 * Valid until 2081 for localhost, example.com, 127.0.0.1 and ::1.
 */
export const localhostCertificate = `-----BEGIN CERTIFICATE-----
MIIB9zCCAZygAwIBAgIUY2mhH1E3oaD7NM/qQJOxn/vbrh4wCgYIKoZIzj0EAwIw
MTEbMBkGA1UECgwST3JyZXJ5IHRlc3QgaW1hZ2VzMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjYxMTIwMTYyMjU0WhgPMjA4MTA4MjMxNjIyNTRaMDExGzAZBgNVBAoM
Ek9ycmVyeSB0ZXN0IGltYWdlczESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE7+ekiUQljw1byIufti79FWj0/mebJ01Opy0Cgp9I
2UAaScqaMTlIHfifDixQGeWhY1eRB5oocYbxDX05wzMD9qOBjzCBjDAdBgNVHQ4E
FgQUddlvUS6oYqRPXzbvSrdzhD3+UzcwHwYDVR0jBBgwFoAUddlvUS6oYqRPXzbv
SrdzhD3+UzcwOQYDVR0RBDIwMIIJbG9jYWxob3N0ggtleGFtcGxlLmNvbYcEfwAA
AYcQAAAAAAAAAAAAAAAAAAAAATAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMC
A0kAMEYCIQCGNl88RsigZa3u1B6HN4mVC7sC5rGoHSUGcanu0cYcwAIhAOEJh+TX
7zsUySuqqnjcaVde4DeM8hS9p4nkC0dpWh5L
-----END CERTIFICATE-----
`;

export const localhostKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyMPsW2UFxymSIteC
2rYF6ZC/pjPCdmRF2SITxIL293ihRANCAATv56SJRCWPDVvIi5+2Lv0VaPT+Z5sn
TU6nLQKCn0jZQBpJypoxOUgd+J8OLFAZ5aFjV5EHmihxhvENfTnDMwP2
-----END PRIVATE KEY-----
`;
