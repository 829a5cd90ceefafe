import type { Pod, Secret } from '@orrery/api/types';
import { sha256Hex } from '@orrery/cri';
import type { AuthConfig } from '@orrery/proto/cri';
import { decodeBase64 } from '../env/environment.ts';

interface DockerEntry {
  auth?: string;
  username?: string;
  password?: string;
}

/** Host of an image name; names without one come from Docker Hub. */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? first : 'docker.io';
}

/** The repository of an image with its registry, without tag and digest: `nginx:1.27` is in `docker.io/library/nginx`. */
export function repositoryOf(image: string): string {
  const bare = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const registry = registryOf(bare);
  if (bare.startsWith(`${registry}/`)) return bare;
  return `${registry}/${bare.includes('/') ? '' : 'library/'}${bare}`;
}

function entriesOf(secret: Secret): Record<string, DockerEntry> {
  const json = secret.data?.['.dockerconfigjson'];
  const old = secret.data?.['.dockercfg'];
  try {
    if (json) return (JSON.parse(decodeBase64(json).toString()) as { auths?: Record<string, DockerEntry> }).auths ?? {};
    if (old) return JSON.parse(decodeBase64(old).toString()) as Record<string, DockerEntry>;
  } catch {
    throw new Error(`secret "${secret.metadata?.name ?? ''}" holds no valid registry credentials`);
  }
  return {};
}

function matches(entry: string, image: string): boolean {
  const bare = entry.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '').replace(/\/$/, '');
  const registry = registryOf(image);
  const host = bare.split('/')[0] ?? '';
  const sameHost = host === registry || (registry === 'docker.io' && host === 'index.docker.io') || (host.startsWith('*.') && registry.endsWith(host.slice(1)) && !registry.slice(0, -host.length + 1).includes('.'));
  return sameHost && (bare === host || image.startsWith(`${bare}/`) || image === bare);
}

function toAuth(serverAddress: string, { auth, username, password }: DockerEntry): AuthConfig {
  if (!auth || username) return { username: username ?? '', password: password ?? '', serverAddress };
  const text = decodeBase64(auth).toString();
  const at = text.indexOf(':');
  return { username: text.slice(0, at), password: text.slice(at + 1), serverAddress };
}

/** Credentials, and the secret that they come from. */
export interface FoundCredentials {
  readonly auth: AuthConfig;
  readonly source: SecretSource;
}

/** A secret by what it is, and what it says by its hash. */
export interface SecretSource {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly credentialHash: string;
}

export interface PullCredentials {
  readonly found: readonly FoundCredentials[];
  /** Names of secrets that are not there. */
  readonly missing: readonly string[];
}

/** The credentials in a pod's pull secrets that are for the image's registry; secrets that are not there are passed over. */
export async function pullCredentials(pod: Pod, image: string, secretOf: (name: string) => Promise<Secret | undefined>): Promise<PullCredentials> {
  const found: FoundCredentials[] = [];
  const missing: string[] = [];
  for (const { name } of pod.spec?.imagePullSecrets ?? []) {
    if (!name) continue;
    const secret = await secretOf(name);
    if (!secret) missing.push(name);
    else {
      const { uid = '', namespace = '' } = secret.metadata ?? {};
      for (const [entry, credentials] of Object.entries(entriesOf(secret))) {
        if (!matches(entry, image)) continue;
        const auth = toAuth(registryOf(image), credentials);
        found.push({ auth, source: { uid, namespace, name, credentialHash: sha256Hex(JSON.stringify(auth)) } });
      }
    }
  }
  return { found, missing };
}
