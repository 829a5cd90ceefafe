import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import { ensureAll } from '../bootstrap/ensure.ts';
import { isFeatureOn } from '../feature-gates.ts';
import { identityLease } from './identity-lease.ts';
import { kubernetesEndpoints } from './kubernetes-endpoints.ts';
import { masterLeases } from './master-leases.ts';

/** As often as upstream's servers say that they live. */
const renewIntervalMs = 10_000;
const collectIntervalMs = 3_600_000;

/**
 * Which API servers there are: each holds a short lease in the store on its advertised address, and each keeps the endpoints
 * of the Service `default/kubernetes` at the addresses with live leases. One that stops takes itself out; one that dies
 * is out when its lease has run out (15 s).
 */
export const endpointsPlugin: PluginFactory = (context: PluginContext) => {
  const { config, env, storage } = context;
  if (config.endpointReconcilerType === 'none') return {};
  const address = config.advertiseAddress;
  const leases = masterLeases(storage.store, storage.root);
  let isLeaving = false;
  let round: Promise<void> = Promise.resolve();

  const publish = async (signal: AbortSignal): Promise<void> => {
    const addresses = await leases.list();
    await ensureAll(context, kubernetesEndpoints({ addresses, port: config.advertisePort || context.securePort() }), signal);
  };

  const renew = async (signal: AbortSignal): Promise<void> => {
    if (isLeaving) return;
    await leases.renew(address);
    await publish(signal);
  };

  const every = async (periodMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await env.clock.sleep(periodMs, signal).catch(() => undefined);
      if (signal.aborted || isLeaving) return;
      round = work().catch((error: unknown) => env.log.warn('could not say that this API server lives; trying again', { error }));
      await round;
    }
  };

  const identity = (): ReturnType<typeof identityLease> => identityLease(context, { address, port: context.securePort() });
  const sayWhoIAm = {
    name: 'start-kube-apiserver-identity-lease-controller',
    run: async (signal: AbortSignal): Promise<void> => {
      const own = identity();
      await own.renew();
      void every(renewIntervalMs, signal, () => own.renew());
    },
  };
  const forgetOthers = {
    name: 'start-kube-apiserver-identity-lease-garbage-collector',
    run: async (signal: AbortSignal): Promise<void> => void every(collectIntervalMs, signal, () => identity().collect()),
  };

  return {
    bootstrap: [
      {
        name: 'bootstrap-controller',
        run: async (signal) => {
          await renew(signal);
          void every(renewIntervalMs, signal, () => renew(signal));
        },
      },
      ...(isFeatureOn(config.featureGates, 'APIServerIdentity') ? [sayWhoIAm, forgetOthers] : []),
    ],
    async stop(signal) {
      isLeaving = true;
      await round;
      await leases.remove(address);
      await publish(signal);
    },
  };
};
