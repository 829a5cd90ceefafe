import type { Secret } from '@orrery/api/types';

/** Where Secrets of type bootstrap.kubernetes.io/token live. */
export const tokenNamespace = 'kube-system';
const namePrefix = 'bootstrap-token-';

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

const field = (secret: Secret, name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString();

export function isBootstrapToken(secret: Secret): boolean {
  return secret.type === 'bootstrap.kubernetes.io/token' && secret.metadata?.namespace === tokenNamespace;
}

/** Milliseconds until the token ends: at most 0 when it has (or when its end cannot be read), undefined for never. */
export function endsInMs(secret: Secret, nowMs: number): number | undefined {
  const expiration = field(secret, 'expiration');
  if (!expiration) return undefined;
  const endMs = Date.parse(expiration);
  return Number.isNaN(endMs) ? 0 : endMs - nowMs;
}

/** The token in a Secret, if it is whole, has not ended and may sign. */
export function signingToken(secret: Secret, nowMs: number): BootstrapToken | undefined {
  const { name = '', deletionTimestamp } = secret.metadata ?? {};
  const [id, value] = [field(secret, 'token-id'), field(secret, 'token-secret')];
  if (!isBootstrapToken(secret) || deletionTimestamp || !id || name !== namePrefix + id || !value) return undefined;
  if ((endsInMs(secret, nowMs) ?? 1) <= 0 || field(secret, 'usage-bootstrap-signing') !== 'true') return undefined;
  return { id, secret: value };
}
