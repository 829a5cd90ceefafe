import { type Channel, grpcChannel } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { durationMs } from '../audit/settings.ts';
import { aesCbc, aesGcm } from './aes.ts';
import { type EncryptionConfig, type Key, type KmsConfig, type Provider } from './config.ts';
import { type KmsProvider, kmsProvider } from './kms.ts';
import { secretbox } from './secretbox.ts';
import { type Prefixed, type Transformer, firstWrites, identity } from './transformer.ts';

/** What one configuration makes: providers a resource, wildcards included, and the plugins behind them. */
export interface Providers {
  /** By `deployments.apps`, `secrets`, `*.apps`, `*.` or `*.*`. */
  readonly byRule: ReadonlyMap<string, readonly Prefixed[]>;
  readonly plugins: readonly KmsProvider[];
}

function keyed(keys: readonly Key[], make: (key: Buffer) => Transformer, noneFits: string): Transformer {
  return firstWrites(
    keys.map(({ name, secret }) => ({ prefix: `${name}:`, transformer: make(Buffer.from(secret, 'base64')) })),
    { noneFits },
  );
}

/** `unix:///path` as gRPC takes it; `unix:///@name` lies in the abstract namespace. */
export function socketTarget(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  return /^\/?@/.test(path) ? `unix-abstract:${path.replace(/^\/?@/, '')}` : `unix:${path}`;
}

function pluginOf(env: Env, config: KmsConfig, dial: (target: string) => Channel): KmsProvider {
  const { name = '', endpoint = '', timeout = '3s' } = config;
  return kmsProvider({ name, env, channel: dial(socketTarget(endpoint)), timeoutMs: durationMs(timeout, `timeout of the KMS provider ${name}`) });
}

/** Made of a valid configuration. Nothing is asked yet. */
export function makeProviders(env: Env, config: EncryptionConfig, dial: (target: string) => Channel = (target) => grpcChannel(target)): Providers {
  const plugins: KmsProvider[] = [];
  const noAesKey = 'no matching key was found for the provided AES transformer';
  const prefixed = ({ aesgcm, aescbc, secretbox: box, kms }: Provider): Prefixed => {
    if (aesgcm) return { prefix: 'k8s:enc:aesgcm:v1:', transformer: keyed(aesgcm.keys ?? [], aesGcm, noAesKey) };
    if (aescbc) return { prefix: 'k8s:enc:aescbc:v1:', transformer: keyed(aescbc.keys ?? [], aesCbc, noAesKey) };
    if (box) return { prefix: 'k8s:enc:secretbox:v1:', transformer: keyed(box.keys ?? [], secretbox, 'no matching key was found for the provided Secretbox transformer') };
    if (!kms) return { prefix: '', transformer: identity };
    const plugin = pluginOf(env, kms, dial);
    plugins.push(plugin);
    return { prefix: `k8s:enc:kms:v2:${kms.name ?? ''}:`, transformer: plugin.transformer };
  };
  const byRule = new Map<string, Prefixed[]>();
  for (const { resources, providers } of config.resources) {
    const all = providers.map(prefixed);
    for (const resource of resources) byRule.set(resource, [...(byRule.get(resource) ?? []), ...all]);
  }
  return { byRule, plugins };
}

/** The rule for a resource: its own, that of its group, that of all. */
export function ruleFor(byRule: Providers['byRule'], { group, resource }: { group: string; resource: string }): readonly Prefixed[] | undefined {
  return byRule.get(group ? `${resource}.${group}` : resource) ?? byRule.get(`*.${group}`) ?? byRule.get('*.*');
}
