import type { ConfigSchema } from '@orrery/runtime';

/** Settings of encryption at rest, named as upstream's flags. */
export const encryptionFields = {
  encryptionProviderConfig: { type: 'string', default: '', help: 'file with an EncryptionConfiguration (apiserver.config.k8s.io/v1): which resources the store holds encrypted, and how' },
  encryptionProviderConfigAutomaticReload: { type: 'boolean', default: false, help: 'follow changes of --encryption-provider-config without a restart' },
} as const satisfies ConfigSchema;
