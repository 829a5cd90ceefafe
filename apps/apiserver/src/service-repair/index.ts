import { IPAddresses, Services } from '@orrery/api';
import type { IPAddress } from '@orrery/api/types';
import type { WorkQueue } from '@orrery/client';
import { startWorkLoop } from '../aggregation/work-loop.ts';
import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import { AddressRepair } from './addresses.ts';
import { PortRepair } from './ports.ts';

/** As often as upstream looks at everything again. */
const intervalMs = 180_000;
/** Changes are looked at when what was written with them is known too. */
const settleMs = 1_000;
const ports = 'ports';

const serviceKey = ({ namespace = '', name = '' }: { namespace?: string | undefined; name?: string | undefined }): string => `service/${namespace}/${name}`;
const addressKey = (name: string): string => `address/${name}`;

function follow({ read }: PluginContext, queue: Pick<WorkQueue<string>, 'addAfter'>, signal: AbortSignal): void {
  const stops = [
    read.onChange(Services, ({ object }) => object && queue.addAfter(serviceKey(object.metadata ?? {}), settleMs)),
    read.onChange<IPAddress>(IPAddresses, ({ object, old }) => {
      const { metadata, spec } = object ?? old ?? {};
      if (object) queue.addAfter(addressKey(metadata?.name ?? ''), settleMs);
      if (old && spec?.parentRef) queue.addAfter(serviceKey(spec.parentRef), settleMs);
    }),
  ];
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
}

/**
 * Mends what others have done to the allocation of cluster IPs and node ports behind the server's back: every one in use is
 * allocated, and what is allocated to nobody is freed. Every server does; they do each other no harm.
 */
export const serviceRepairPlugin: PluginFactory = (context: PluginContext) => {
  const { env, read } = context;
  const work = async (key: string, repairs: { addresses: AddressRepair; portRepair: PortRepair; later: (ms: number) => void }): Promise<'done'> => {
    const [what, first = '', second = ''] = key.split('/');
    if (what === 'service') await repairs.addresses.checkService({ namespace: first, name: second });
    else if (what === 'address') {
      const againMs = await repairs.addresses.checkAddress(first);
      if (againMs !== undefined) repairs.later(againMs);
    } else await repairs.portRepair.run();
    return 'done';
  };
  return {
    bootstrap: [
      {
        name: 'start-service-ip-repair-controllers',
        run: async (signal) => {
          const addresses = new AddressRepair(context);
          const portRepair = new PortRepair(context);
          const queue: Pick<WorkQueue<string>, 'addAfter'> = startWorkLoop(env, {
            name: 'service_ip_repair',
            concurrency: 1,
            maxDelayMs: 60_000,
            resyncMs: intervalMs,
            keys: () => [...read.list(Services).map(({ metadata }) => serviceKey(metadata ?? {})), ...read.list(IPAddresses).map(({ metadata }) => addressKey(metadata?.name ?? '')), ports],
            work: (key) => work(key, { addresses, portRepair, later: (ms) => queue.addAfter(key, ms) }),
          }, signal);
          follow(context, queue, signal);
          await Promise.resolve();
        },
      },
    ],
  };
};
