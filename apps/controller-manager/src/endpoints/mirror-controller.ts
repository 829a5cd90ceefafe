import { EndpointSlices, Endpoints, Services } from '@orrery/api';
import type { EndpointSlice, Endpoints as EndpointsObject, Service } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type AnyController, type WriteFence, byControllerUid, createWriteFence, defineController, watch } from '@orrery/controller';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isMirrored, mirrorName, planMirror } from './mirror-plan.ts';
import { writeSlices } from './slice-controller.ts';
import { managedByLabel } from './slice-plan.ts';

/** Mirrors the Endpoints that users keep for Services without selector into EndpointSlices. */
export function endpointSliceMirroringController({ maxEndpoints }: { readonly maxEndpoints: number }): AnyController {
  return defineController<EndpointsObject, { readonly fence: WriteFence }>({
    name: 'endpointslice-mirroring-controller',
    queue: 'endpoint_slice_mirroring',
    account: 'endpointslicemirroring-controller',
    for: Endpoints,
    owns: [EndpointSlices],
    watches: [watch<Service, { readonly fence: WriteFence }>(Services, ({ object }) => [keyOf(object)])],
    setup: (context) => ({ fence: createWriteFence(context.env.clock) }),
    async reconcile(key, context) {
      const { state, store } = context;
      const endpoints = store(Endpoints).get(key);
      // The slices of Endpoints that are gone are the garbage collector's.
      if (!endpoints) return state.fence.forget(key);
      if (!state.fence.passed(key, store(EndpointSlices))) return { requeueAfterMs: 500 };
      const owned = [...store(EndpointSlices).byIndex(byControllerUid, endpoints.metadata?.uid ?? '')];
      const slices = owned.filter((slice: EndpointSlice) => slice.metadata?.labels?.[managedByLabel] === mirrorName && !slice.metadata.deletionTimestamp);
      const plan = isMirrored(endpoints, store(Services).get(key)) ? planMirror({ endpoints, slices, maxEndpoints }) : { create: [], update: [], remove: slices };
      try {
        await writeSlices(key, context, plan);
      } catch (error) {
        if (isNamespaceTerminating(error)) return;
        const message = `Error updating Endpoint Slices for Endpoints ${key}: ${(error as Error).message}`;
        context.events.event(Endpoints, endpoints, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message });
        throw error;
      }
    },
  });
}
