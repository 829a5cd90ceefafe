import { Secrets } from '@orrery/api';
import type { PluginContext } from '../pipeline/index.ts';
import { type TokenKind, sameSecret } from './bearer.ts';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Tokens that new nodes join with: secrets `bootstrap-token-ID` in kube-system. */
export function bootstrapTokens(context: Pick<PluginContext, 'read' | 'env'>, apiAudiences: readonly string[]): TokenKind {
  return {
    name: 'BootstrapToken',
    identify(token) {
      const [, id, secretText] = tokenPattern.exec(token) ?? [];
      if (!id || !secretText) return undefined;
      const secret = context.read.get(Secrets, { namespace: 'kube-system', name: `bootstrap-token-${id}` });
      if (!secret || secret.metadata?.deletionTimestamp || secret.type !== 'bootstrap.kubernetes.io/token') return undefined;
      const field = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
      if (!sameSecret(field('token-secret'), secretText) || field('token-id') !== id || field('usage-bootstrap-authentication') !== 'true') return undefined;
      const expiration = field('expiration');
      if (expiration && !(Date.parse(expiration) > context.env.clock.now())) return undefined;
      const extraGroups = field('auth-extra-groups').split(',').filter((group) => group !== '');
      if (!extraGroups.every((group) => groupPattern.test(group))) return undefined;
      return { user: { username: `system:bootstrap:${id}`, groups: [...[...new Set(['system:bootstrappers', ...extraGroups])].sort(), 'system:authenticated'] }, audiences: apiAudiences };
    },
  };
}
