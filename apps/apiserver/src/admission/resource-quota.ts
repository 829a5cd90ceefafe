import { ResourceQuotas } from '@orrery/api';
import type { Pod, ResourceQuota } from '@orrery/api/types';
import { negateQuantity, subtractQuantity, zeroQuantity } from '@orrery/apimachinery';
import { StatusError, forbidden } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';
import { type Charge, QuotaExceeded, QuotaLedger } from './quota-ledger.ts';
import { type LimitedResource, quotaLimits, uncovered } from './quota-limits.ts';
import { type Amounts, objectUsage, quotaApplies, unspecified } from '@orrery/api/quota';

/** Updates that can change what an object takes, as upstream's evaluators have it: the object itself, a pod's resize, a claim's status. */
const updatable = new Set(['pods', 'pods/resize', 'services', 'persistentvolumeclaims', 'persistentvolumeclaims/status', 'resourceclaims']);

/** Only what the controller has taken into the status counts: a quota that is new bounds nothing yet, as upstream. */
const hardOf = (quota: ResourceQuota): string[] => Object.keys(quota.status?.hard ?? {});

function handles({ kind, operation, subresource }: AdmissionAttributes): boolean {
  if (!kind.namespaced) return false;
  if (operation === 'CREATE') return !subresource;
  return operation === 'UPDATE' && updatable.has(subresource ? `${kind.resource}/${subresource}` : kind.resource);
}

function difference(after: Amounts, before: Amounts): Amounts {
  const names = new Set([...Object.keys(after), ...Object.keys(before)]);
  return Object.fromEntries([...names].map((name) => [name, subtractQuantity(after[name] ?? zeroQuantity, before[name] ?? zeroQuantity)]));
}

const negated = (amounts: Amounts): Amounts => Object.fromEntries(Object.entries(amounts).map(([name, value]) => [name, negateQuantity(value)]));

function onlyNamed(amounts: Amounts, names: readonly string[]): Amounts {
  return Object.fromEntries(Object.entries(amounts).filter(([name, value]) => names.includes(name) && value.nanos !== 0n));
}

function checkSpecified(quota: ResourceQuota, attributes: AdmissionAttributes): void {
  if (attributes.kind.resource !== 'pods' || (attributes.operation !== 'CREATE' && attributes.subresource !== 'resize')) return;
  const missing = unspecified(hardOf(quota), attributes.object as Pod);
  if (missing.length) throw forbidden(subjectOf(attributes), `failed quota: ${quota.metadata?.name ?? ''}: must specify ${missing.join('; ')}`);
}

/** What the write adds to each quota that counts it. */
function chargesOf(attributes: AdmissionAttributes, quotas: readonly ResourceQuota[], nowMs: number): Charge[] {
  const { kind, object, oldObject } = attributes;
  const after = objectUsage(kind, object, nowMs);
  const before = oldObject ? objectUsage(kind, oldObject, nowMs) : {};
  return quotas.flatMap((quota) => {
    const [applies, applied] = [quotaApplies(quota, kind, object), oldObject !== undefined && quotaApplies(quota, kind, oldObject)];
    if (!applies && !applied) return [];
    if (applies) checkSpecified(quota, attributes);
    const amounts = onlyNamed(difference(applies ? after : {}, applied ? before : {}), hardOf(quota));
    // What others say of an object is a fact, which a limit comes too late for.
    const isFact = attributes.subresource === 'status';
    return Object.keys(amounts).length ? [{ quota: quota.metadata?.name ?? '', amounts, ...(isFact ? { isFact } : {}) }] : [];
  });
}

/** Refuses what is limited where no quota speaks of it. What takes no more than before is let be, as upstream has it. */
function checkLimits(limits: readonly LimitedResource[], attributes: AdmissionAttributes, { quotas, nowMs }: { quotas: readonly ResourceQuota[]; nowMs: number }): void {
  const { kind, object, oldObject } = attributes;
  const usage = objectUsage(kind, object, nowMs);
  const grows = Object.values(oldObject ? difference(usage, objectUsage(kind, oldObject, nowMs)) : usage).some(({ nanos }) => nanos > 0n);
  if (!grows) return;
  const applying = quotas.filter((quota) => quotaApplies(quota, kind, object));
  const { names, scopes } = uncovered(limits, attributes, { usage, quotas, applying });
  if (names.length) throw forbidden(subjectOf(attributes), `insufficient quota to consume: ${names.join(',')}`);
  if (scopes !== undefined) throw new StatusError({ code: 500, message: `insufficient quota to match these scopes: ${scopes}` });
}

/** Refuses what would pass a quota; comes last, so that only writes that everything else accepted are booked. */
export function resourceQuota(context: Pick<PluginContext, 'api' | 'read' | 'env'>, configuration?: unknown): AdmissionPlugin {
  const limits = quotaLimits(configuration);
  const ledger = new QuotaLedger(context);
  return {
    name: 'ResourceQuota',
    handles,
    async validate(attributes) {
      const { namespace, dryRun } = attributes;
      const quotas = context.read.list(ResourceQuotas, namespace);
      if (limits.length) checkLimits(limits, attributes, { quotas, nowMs: context.env.clock.now() });
      if (!quotas.length) return;
      const charges = chargesOf(attributes, quotas, context.env.clock.now());
      if (!charges.length) return;
      try {
        await (dryRun ? ledger.check(namespace, charges) : ledger.book(namespace, charges));
      } catch (error) {
        throw error instanceof QuotaExceeded ? forbidden(subjectOf(attributes), error.message) : error;
      }
      if (dryRun) return;
      attributes.onFinish((committed) => {
        if (committed) return undefined;
        return ledger.book(
          namespace,
          charges.map(({ quota, amounts }) => ({ quota, amounts: negated(amounts) })),
        );
      });
    },
  };
}
