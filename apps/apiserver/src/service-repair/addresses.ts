import { IPAddresses, ServiceCIDRs, Services } from '@orrery/api';
import { type EventRecorder, createEventRecorder } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import type { PluginContext } from '../pipeline/index.ts';
import { addressFor } from '../registry/services/ip-address.ts';
import { parseRange, parseRanges } from '../registry/services/ip-range.ts';
import { type Finding, type World, findingsOf, verdictOn } from './findings.ts';

type Context = Pick<PluginContext, 'api' | 'config' | 'env' | 'read'>;

const unless = (isFine: (error: unknown) => boolean) => (error: unknown): void => {
  if (!isFine(error)) throw error;
};

/** Keeps every cluster IP of a Service an IPAddress, and every IPAddress of the allocator a Service. */
export class AddressRepair {
  private readonly context: Context;
  private readonly events: EventRecorder;

  constructor(context: Context) {
    this.context = context;
    this.events = createEventRecorder(context.env, { api: context.api, component: 'ipallocator-repair-controller' });
  }

  private world(): World {
    const { config, read } = this.context;
    const further = read.list(ServiceCIDRs).flatMap(({ spec }) => (spec?.cidrs ?? []).flatMap((cidr) => parseRange(cidr) ?? []));
    return {
      address: (name) => read.get(IPAddresses, { name }),
      service: (key) => read.get(Services, key),
      ranges: [...parseRanges(config.serviceClusterIpRange), ...further],
    };
  }

  async checkService(key: { namespace: string; name: string }): Promise<void> {
    const found = this.context.read.get(Services, key);
    if (!found || findingsOf(found, this.world()).length === 0) return;
    // The caches of Services and IPAddresses move one after the other: what is asked now has both where the store is.
    const service = await this.context.api.get(Services, key).catch(unless(isNotFound));
    if (!service || service.metadata?.deletionTimestamp) return;
    for (const finding of findingsOf(service, this.world())) {
      await this.mend(finding, service);
      if (finding.event) this.events.event(Services, service, { type: 'Warning', ...finding.event });
    }
  }

  private async mend({ ip, mend }: Finding, service: Parameters<typeof addressFor>[1]): Promise<void> {
    const { api } = this.context;
    if (!mend) return;
    if (mend === 'replace') await api.delete(IPAddresses, { name: ip }).catch(unless(isNotFound));
    await api.create(IPAddresses, addressFor(ip, service)).catch(unless(isAlreadyExists));
  }

  /** Milliseconds after which to look again. */
  async checkAddress(name: string): Promise<number | undefined> {
    const { api, env, read } = this.context;
    const verdictNow = (): ReturnType<typeof verdictOn> => {
      const address = read.get(IPAddresses, { name });
      return address ? verdictOn(address, this.world(), env.clock.now()) : { keep: true };
    };
    const first = verdictNow();
    if (first.keep) return first.againMs;
    const address = await api.get(IPAddresses, { name }).catch(unless(isNotFound));
    const verdict = verdictNow();
    if (!address || verdict.keep) return undefined;
    await api.delete(IPAddresses, { name }, { preconditions: { uid: address.metadata?.uid ?? '' } }).catch(unless(isNotFound));
    this.events.event(IPAddresses, address, { type: 'Warning', reason: verdict.reason, message: verdict.message });
    return undefined;
  }
}
