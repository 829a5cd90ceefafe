import { CertificateSigningRequests } from '@orrery/api';
import type { CertificateSigningRequest } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import type { CertificateStore, StoredCertificate } from '@orrery/node-io';
import type { Env, Timer } from '@orrery/runtime';

const pollMs = 1_000;
/** How long an answer is waited for before it is asked anew. */
const patienceMs = 15 * 60_000;
const firstRetryMs = 1_000;
const maxRetryMs = 120_000;
/** A timer cannot be set further ahead than 24 days. */
const maxWaitMs = 24 * 3_600_000;

export interface CertificateOptions {
  readonly api: () => ApiClient;
  readonly store: CertificateStore;
  readonly signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving';
  readonly usages: readonly string[];
  /** A new key and a request for it (PEM). */
  readonly draft: () => { readonly key: string; readonly request: string };
  /** There is a new certificate. */
  readonly changed?: (certificate: StoredCertificate) => void;
}

const conditionOf = ({ status }: CertificateSigningRequest, type: string) => status?.conditions?.find((condition) => condition.type === type);

/** When a certificate is to be renewed: after 70 to 90 % of its life, so that a fleet does not ask at once. */
export function rotationMs({ notBeforeMs, notAfterMs }: Pick<StoredCertificate, 'notBeforeMs' | 'notAfterMs'>, chance: number): number {
  return notBeforeMs + Math.round((notAfterMs - notBeforeMs) * (0.7 + 0.2 * chance));
}

/** Obtains a certificate by a CertificateSigningRequest, keeps it, and renews it in time; as upstream's certificate manager. */
export class CertificateManager {
  current: StoredCertificate | undefined;
  private readonly env: Env;
  private readonly options: CertificateOptions;
  private readonly stopping = new AbortController();
  private timer: Timer | undefined;

  constructor(env: Env, options: CertificateOptions) {
    this.env = env;
    this.options = options;
    const stored = options.store.load();
    this.current = stored && stored.notAfterMs > env.clock.now() ? stored : undefined;
  }

  /** Resolves with a certificate that holds now; asks until there is one. */
  async obtain(signal?: AbortSignal): Promise<StoredCertificate> {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(maxRetryMs, waitMs * 2)) {
      if (this.current) return this.current;
      try {
        return await this.renew();
      } catch (error) {
        this.stopping.signal.throwIfAborted();
        this.env.log.warn('no certificate yet', { signer: this.options.signerName, error: (error as Error).message, retryMs: waitMs });
        await this.env.clock.sleep(waitMs, signal ?? this.stopping.signal);
      }
    }
  }

  /** Renews from now on, whenever it is time; begins at once when there is none. */
  start(): void {
    if (!this.current) return this.runAfter(0);
    const dueMs = rotationMs(this.current, this.env.random.next());
    this.runAfter(Math.max(0, dueMs - this.env.clock.now()));
  }

  stop(): void {
    this.stopping.abort(new Error('stopped'));
    this.timer?.cancel();
  }

  private runAfter(delayMs: number): void {
    if (this.stopping.signal.aborted) return;
    this.timer = this.env.clock.after(Math.min(delayMs, maxWaitMs), () => {
      if (delayMs > maxWaitMs) return this.runAfter(delayMs - maxWaitMs);
      void this.rotate();
    });
  }

  private async rotate(): Promise<void> {
    const { expired } = this;
    if (expired) this.current = undefined;
    try {
      await this.renew();
      this.start();
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.env.log.warn('certificate was not renewed', { signer: this.options.signerName, error: (error as Error).message, retryMs: maxRetryMs });
      this.runAfter(maxRetryMs);
    }
  }

  private get expired(): boolean {
    return this.current !== undefined && this.current.notAfterMs <= this.env.clock.now();
  }

  private async renew(): Promise<StoredCertificate> {
    const { options, env } = this;
    const { key, request } = options.draft();
    const asked = await options.api().create(CertificateSigningRequests, {
      metadata: { generateName: 'csr-' },
      spec: { request: Buffer.from(request).toString('base64'), signerName: options.signerName, usages: [...options.usages] },
    });
    const cert = await this.answer(asked.metadata?.name ?? '');
    const renewed = options.store.save({ cert, key }, env.clock.now());
    this.current = renewed;
    env.log.info('certificate obtained', { signer: options.signerName, until: new Date(renewed.notAfterMs).toISOString() });
    options.changed?.(renewed);
    return renewed;
  }

  /** The certificate, once it is issued. Throws when it is denied, cannot be signed, or nobody answers. */
  private async answer(name: string): Promise<string> {
    const { clock } = this.env;
    const untilMs = clock.monotonic() + patienceMs;
    while (clock.monotonic() < untilMs) {
      const request = await this.options.api().get(CertificateSigningRequests, { name }).catch((error: unknown) => {
        if (isNotFound(error)) throw new Error(`certificate signing request ${name} was deleted before it was answered`, { cause: error });
        throw error;
      });
      for (const type of ['Denied', 'Failed']) {
        const refused = conditionOf(request, type);
        if (refused) throw new Error(`certificate signing request ${name} is ${type.toLowerCase()}: ${refused.reason ?? ''}: ${refused.message ?? ''}`);
      }
      const { certificate } = request.status ?? {};
      if (certificate) return Buffer.from(certificate, 'base64').toString('utf8');
      await clock.sleep(pollMs, this.stopping.signal);
    }
    throw new Error(`certificate signing request ${name} was not answered in time`);
  }
}
