import type { ConfigSchema } from '@orrery/runtime';
import { settingsSchema } from './settings.ts';

/** Settings of the program, besides those of its connection to the API server. */
export const controllerManagerSchema = {
  ...settingsSchema,
  useServiceAccountCredentials: { type: 'boolean', default: false, help: 'every controller acts as a service account of its own in kube-system, with the role system:controller:…' },
  rootCaFile: { type: 'string', default: '', help: 'CA certificate published as kube-root-ca.crt in every namespace' },
  serviceAccountPrivateKeyFile: { type: 'string', default: '', help: 'private key of service account tokens, PEM; without it Secrets for such tokens stay empty' },
  clusterSigningCertFile: { type: 'string', default: '', help: 'CA certificate that signs approved certificate signing requests' },
  clusterSigningKeyFile: { type: 'string', default: '', help: 'key of that CA' },
} as const satisfies ConfigSchema;
