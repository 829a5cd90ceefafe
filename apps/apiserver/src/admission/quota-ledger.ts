import { ResourceQuotas } from '@orrery/api';
import type { ResourceQuota } from '@orrery/api/types';
import { addQuantity, compareQuantity, formatQuantity, zeroQuantity } from '@orrery/apimachinery';
import { isConflict, isNotFound } from '@orrery/errors';
import type { PluginContext } from '../pipeline/index.ts';
import { type Amounts, parseAmounts } from '@orrery/api/quota';

/** What a write will add to a quota; amounts may be negative on updates. */
export interface Charge {
  readonly quota: string;
  readonly amounts: Amounts;
  /** Booked even where it passes the limit. */
  readonly isFact?: boolean;
}

interface Waiting {
  readonly charges: readonly Charge[];
  resolve(): void;
  reject(error: Error): void;
}

/** Why a charge does not fit. */
export class QuotaExceeded extends Error {}

const maxAttempts = 5;

function listed(names: readonly string[], amounts: Amounts): string {
  return names.map((name) => `${name}=${formatQuantity(amounts[name] ?? zeroQuantity)}`).join(',');
}

/** The usage after the charge. Throws QuotaExceeded when a positive part of it passes the limit, or when the usage so far has not been counted yet. */
function charged(quota: ResourceQuota, used: Amounts, { amounts, isFact = false }: Charge): Amounts {
  const hard = parseAmounts(quota.status?.hard as Record<string, string> | undefined);
  const after = { ...used };
  const unknown = Object.keys(amounts).filter((name) => hard[name] && !used[name]).sort();
  if (unknown.length) throw new QuotaExceeded(`status unknown for quota: ${quota.metadata?.name ?? ''}, resources: ${unknown.join(',')}`);
  const exceeded: string[] = [];
  for (const [name, delta] of Object.entries(amounts)) {
    const limit = hard[name];
    if (!limit || delta.nanos === 0n) continue;
    const sum = addQuantity(used[name] ?? zeroQuantity, delta);
    if (!isFact && delta.nanos > 0n && compareQuantity(sum, limit) > 0) exceeded.push(name);
    after[name] = sum.nanos < 0n ? zeroQuantity : sum;
  }
  if (exceeded.length) {
    exceeded.sort();
    throw new QuotaExceeded(`exceeded quota: ${quota.metadata?.name ?? ''}, requested: ${listed(exceeded, amounts)}, used: ${listed(exceeded, used)}, limited: ${listed(exceeded, hard)}`);
  }
  return after;
}

/**
 * Books usage in the status of quotas before the objects are written, so that writes on several API servers cannot
 * pass a limit together. Charges of a namespace that wait at the same time are booked by one write a quota.
 */
export class QuotaLedger {
  private readonly context: Pick<PluginContext, 'api' | 'read'>;
  private readonly queues = new Map<string, Waiting[]>();

  constructor(context: Pick<PluginContext, 'api' | 'read'>) {
    this.context = context;
  }

  /** Resolves when everything is booked; rejects with QuotaExceeded, and then nothing is. */
  book(namespace: string, charges: readonly Charge[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = { charges, resolve, reject };
      const queue = this.queues.get(namespace);
      if (queue) {
        queue.push(waiting);
        return;
      }
      this.queues.set(namespace, [waiting]);
      void this.drain(namespace);
    });
  }

  /** What `book` would say to the charges by themselves, for writes that are only tried. */
  async check(namespace: string, charges: readonly Charge[]): Promise<void> {
    for (const charge of charges) {
      const quota = await this.load({ namespace, name: charge.quota }, false);
      if (quota) charged(quota, parseAmounts(quota.status?.used as Record<string, string> | undefined), charge);
    }
  }

  private async drain(namespace: string): Promise<void> {
    for (let queue = this.queues.get(namespace); queue?.length; queue = this.queues.get(namespace)) {
      this.queues.set(namespace, []);
      await this.settle(namespace, queue);
    }
    this.queues.delete(namespace);
  }

  private async settle(namespace: string, batch: readonly Waiting[]): Promise<void> {
    let open = [...batch];
    for (let attempt = 1; open.length; attempt++) {
      try {
        const fitting = await this.attempt(namespace, open, attempt > 1);
        for (const waiting of fitting) waiting.resolve();
        return;
      } catch (error) {
        if (isConflict(error) && attempt < maxAttempts) continue;
        for (const waiting of open) waiting.reject(error as Error);
        open = [];
      }
    }
  }

  /** Books what fits; what does not is rejected. Throws Conflict when a quota changed meanwhile: nothing was promised yet. */
  private async attempt(namespace: string, open: Waiting[], live: boolean): Promise<Waiting[]> {
    const names = [...new Set(open.flatMap((waiting) => waiting.charges.map((charge) => charge.quota)))];
    const quotas = new Map<string, ResourceQuota>();
    for (const name of names) {
      const quota = await this.load({ namespace, name }, live);
      if (quota) quotas.set(name, quota);
    }
    let usage = new Map([...quotas].map(([name, quota]) => [name, parseAmounts(quota.status?.used as Record<string, string> | undefined)]));
    const fitting: Waiting[] = [];
    for (const waiting of [...open]) {
      const next = new Map(usage);
      try {
        for (const charge of waiting.charges) {
          const quota = quotas.get(charge.quota);
          if (quota) next.set(charge.quota, charged(quota, next.get(charge.quota) ?? {}, charge));
        }
        usage = next;
        fitting.push(waiting);
      } catch (error) {
        open.splice(open.indexOf(waiting), 1);
        waiting.reject(error as Error);
      }
    }
    for (const [name, quota] of quotas) await this.store(quota, usage.get(name) ?? {});
    return fitting;
  }

  private async load(key: { namespace: string; name: string }, live: boolean): Promise<ResourceQuota | undefined> {
    const cached = this.context.read.get(ResourceQuotas, key);
    if (cached && !live) return cached;
    try {
      return await this.context.api.get(ResourceQuotas, key);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async store(quota: ResourceQuota, used: Amounts): Promise<void> {
    const text = Object.fromEntries(Object.entries(used).map(([name, quantity]) => [name, formatQuantity(quantity)]));
    const before = (quota.status?.used ?? {}) as Record<string, string>;
    if (Object.entries(text).every(([name, value]) => before[name] === value)) return;
    const status = { ...quota.status, used: text };
    await this.context.api.update(ResourceQuotas, { ...quota, status }, { subresource: 'status' });
  }
}
