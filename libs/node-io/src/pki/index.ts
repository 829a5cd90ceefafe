export * from './certificate-facts.ts';
export * from './certificate-store.ts';
export * from './csr-signer.ts';
export * from './csr.ts';
export * from './ensure-pki.ts';
export * from './kubeconfig.ts';
export { fromPem, toPem } from './pem.ts';
export * from './verification-keys.ts';
export * from './x509.ts';
