import { EndpointSlices, Endpoints, Services } from '@orrery/api';
import type { EndpointSlice, Endpoints as EndpointsObject, Service } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type AnyController, type WriteFence, byControllerUid, createWriteFence, defineController, watch } from '@orrery/controller';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isMirrored, mirrorName, planMirror } from './mirror-plan.ts';
import { writeSlices } from './slice-controller.ts';
import { type SliceMetrics, createSliceMetrics } from './slice-metrics.ts';
import { managedByLabel } from './slice-plan.ts';

interface State {
  readonly fence: WriteFence;
  readonly told: SliceMetrics;
}

/** Mirrors the Endpoints that users keep for Services without selector into EndpointSlices. */
export function endpointSliceMirroringController({ maxEndpoints }: { readonly maxEndpoints: number }): AnyController {
  return defineController<EndpointsObject, State>({
    name: 'endpointslice-mirroring-controller',
    queue: 'endpoint_slice_mirroring',
    eventSource: 'endpoint-slice-mirroring-controller',
    account: 'endpointslicemirroring-controller',
    for: Endpoints,
    owns: [EndpointSlices],
    watches: [watch<Service, State>(Services, ({ object }) => [keyOf(object)])],
    setup: (context) => ({ fence: createWriteFence(context.env.clock), told: createSliceMetrics(context.env.metrics, 'endpoint_slice_mirroring_controller') }),
    async reconcile(key, context) {
      const { state, store } = context;
      const endpoints = store(Endpoints).get(key);
      // The slices of Endpoints that are gone are the garbage collector's.
      if (!endpoints) {
        state.told.forget(key);
        return state.fence.forget(key);
      }
      if (!state.fence.passed(key, store(EndpointSlices))) return { requeueAfterMs: 500 };
      const owned = [...store(EndpointSlices).byIndex(byControllerUid, endpoints.metadata?.uid ?? '')];
      const slices = owned.filter((slice: EndpointSlice) => slice.metadata?.labels?.[managedByLabel] === mirrorName && !slice.metadata.deletionTimestamp);
      const plan = isMirrored(endpoints, store(Services).get(key)) ? planMirror({ endpoints, slices, maxEndpoints }) : { create: [], update: [], remove: slices };
      try {
        await writeSlices(key, context, plan);
        // A slice of a mirror has as many endpoints as there are.
        state.told.planned(key, { slices, plan, most: maxEndpoints });
      } catch (error) {
        if (isNamespaceTerminating(error)) return;
        const message = `Error updating Endpoint Slices for Endpoints ${key}: ${(error as Error).message}`;
        context.events.event(Endpoints, endpoints, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message });
        throw error;
      }
    },
  });
}
