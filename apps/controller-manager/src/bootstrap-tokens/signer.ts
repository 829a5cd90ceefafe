import { ConfigMaps, Secrets } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';
import { type BootstrapToken, isBootstrapToken, signingToken } from './token.ts';

const infoKey = 'kube-public/cluster-info';
const signaturePrefix = 'jws-kubeconfig-';

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** A JWS of the text without the text in it (RFC 7515, appendix F), signed with the token's secret. */
export async function detachedSignature(content: string, token: BootstrapToken): Promise<string> {
  const encoder = new TextEncoder();
  const header = base64url(encoder.encode(JSON.stringify({ alg: 'HS256', kid: token.id })));
  const key = await crypto.subtle.importKey('raw', encoder.encode(token.secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', key, encoder.encode(`${header}.${base64url(encoder.encode(content))}`));
  return `${header}..${base64url(new Uint8Array(signature))}`;
}

/** The data of cluster-info with a signature by every token, and none by others. */
export async function plan(info: ConfigMap, tokens: readonly BootstrapToken[]): Promise<Record<string, string> | undefined> {
  const { kubeconfig } = info.data ?? {};
  if (kubeconfig === undefined) return undefined;
  const kept = Object.entries(info.data ?? {}).filter(([name]) => !name.startsWith(signaturePrefix));
  const signed = await Promise.all(tokens.map(async (token): Promise<[string, string]> => [signaturePrefix + token.id, await detachedSignature(kubeconfig, token)]));
  const data = Object.fromEntries([...kept, ...signed]);
  return deepEqual(data, info.data) ? undefined : data;
}

/** Signs kube-public/cluster-info with the bootstrap tokens, by which those who join know whom they talk to. */
export const bootstrapSigner = defineController({
  name: 'bootstrap-signer-controller',
  queue: 'bootstrap_signer_queue',
  account: 'bootstrap-signer',
  watches: [
    watch(ConfigMaps, ({ object, gone }) => (!gone && `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}` === infoKey ? [infoKey] : [])),
    watch(Secrets, ({ object }) => (isBootstrapToken(object) ? [infoKey] : [])),
  ],
  concurrency: 1,
  async reconcile(_key, { api, env, store }) {
    const info = store(ConfigMaps).get(infoKey);
    if (!info) return;
    const nowMs = env.clock.now();
    const secrets = [...store(Secrets).byIndex('namespace', 'kube-system')];
    const data = await plan(info, secrets.flatMap((secret) => signingToken(secret, nowMs) ?? []));
    if (data) await api.update(ConfigMaps, { ...info, data });
  },
});
