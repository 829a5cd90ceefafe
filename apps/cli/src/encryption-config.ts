import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '@orrery/node-io';
import type { DataDir } from './data-dir.ts';

/** Secrets are written with the key; what an older cluster wrote in plain text is still read. */
function configOf(secret: string): string {
  return `# How this cluster keeps Secrets in its store. Without this file they cannot be read again.
# To rotate: put a new key before key1 (the first writes, all read), then rewrite what is there with
#   kubectl get secrets -A -o json | kubectl replace -f -
# and take the old key out. Changes are followed without a restart.
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm:
      keys:
      - {name: key1, secret: ${secret}}
  - identity: {}
`;
}

/** Path of the cluster's EncryptionConfiguration, made with a key of its own at the first start (mode 0600). */
export function ensureEncryptionConfig({ root }: Pick<DataDir, 'root'>): string {
  const path = join(root, 'encryption.yaml');
  if (!existsSync(path)) replaceFile(path, configOf(randomBytes(32).toString('base64')));
  return path;
}
