export type { HealthCheck, ProgramPages } from './program-pages.ts';
export { RequestGuard } from './request-guard.ts';
export { type SecureServing, clientByKubeconfig, withSecureServing } from './secure-serving.ts';
export { selfSigned, servingCertificate } from './serving-certificate.ts';
export { tlsOptions } from './tls-options.ts';
export { type Trust, lookUpTrust, noTrust } from './trust.ts';
