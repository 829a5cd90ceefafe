import { ServiceAccounts } from '@orrery/api';
import type { Pod, TokenRequest } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';

interface Token extends TokenWanted {
  readonly text: string;
  readonly expiresMs: number;
  readonly refreshMs: number;
}

/** Which token a pod's volume asks for. */
export interface TokenWanted {
  readonly audience: string;
  readonly expirationSeconds: number;
}

const maxAgeMs = 24 * 3_600_000;

const isFor = (token: TokenWanted, wanted: TokenWanted): boolean => token.audience === wanted.audience && token.expirationSeconds === wanted.expirationSeconds;

/** Tokens of pods' service accounts, by TokenRequest, bound to the pod; renewed at 80 % of their life or after a day. */
export class TokenManager {
  /** By the pod's uid. Most pods have one. */
  private readonly tokens = new Map<string, Token[]>();
  private readonly env: Env;
  private readonly api: ApiClient;

  constructor(env: Env, options: { api: ApiClient }) {
    this.env = env;
    this.api = options.api;
  }

  /** A valid token; an old one is kept while the API server cannot be reached, until it expires. */
  async token(pod: Pod, wanted: TokenWanted): Promise<string> {
    const uid = uidOf(pod);
    const known = this.tokens.get(uid)?.find((one) => isFor(one, wanted));
    const nowMs = this.env.clock.now();
    if (known && nowMs < known.refreshMs) return known.text;
    try {
      const token = await this.request(pod, wanted);
      const others = this.tokens.get(uid)?.filter((one) => !isFor(one, wanted));
      this.tokens.set(uid, others ? [...others, token] : [token]);
      return token.text;
    } catch (error) {
      if (known && nowMs < known.expiresMs) return known.text;
      throw error;
    }
  }

  /** Pods with a token that is due. */
  due(): string[] {
    const nowMs = this.env.clock.now();
    return [...this.tokens].filter(([, ofPod]) => ofPod.some(({ refreshMs }) => nowMs >= refreshMs)).map(([uid]) => uid);
  }

  forget(uid: string): void {
    this.tokens.delete(uid);
  }

  private async request(pod: Pod, { audience, expirationSeconds }: TokenWanted): Promise<Token> {
    const body: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: nameOf(pod), uid: uidOf(pod) },
      },
    };
    const key = { namespace: namespaceOf(pod), name: pod.spec?.serviceAccountName ?? 'default' };
    const startMs = this.env.clock.now();
    const { status } = await this.api.createSubresource<TokenRequest>(ServiceAccounts, key, 'token', body);
    const expiresMs = Date.parse(status?.expirationTimestamp ?? '') || startMs + expirationSeconds * 1000;
    const lifeMs = expiresMs - startMs;
    return { audience, expirationSeconds, text: status?.token ?? '', expiresMs, refreshMs: startMs + Math.min(maxAgeMs, lifeMs * 0.8) };
  }
}
