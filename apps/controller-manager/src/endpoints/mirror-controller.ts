import { EndpointSlices, Endpoints, Services } from '@orrery/api';
import type { EndpointSlice, Endpoints as EndpointsObject, Service } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type AnyController, type WriteFence, byControllerUid, createWriteFence, defineController, watch } from '@orrery/controller';
import { type BoundHistogram, latencyBuckets } from '@orrery/runtime';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isMirrored, mirrorName, planMirror } from './mirror-plan.ts';
import { writeSlices } from './slice-controller.ts';
import { type SliceMetrics, createSliceMetrics, sliceCounts } from './slice-metrics.ts';
import { managedByLabel } from './slice-plan.ts';

const prefix = 'endpoint_slice_mirroring_controller';

interface State {
  readonly fence: WriteFence;
  readonly told: SliceMetrics;
  readonly skipped: BoundHistogram;
  readonly took: BoundHistogram;
}

/** Addresses beyond what is mirrored of a subset. */
const skippedOf = ({ subsets }: EndpointsObject, most: number): number => (subsets ?? []).reduce((sum, { addresses = [], notReadyAddresses = [] }) => sum + Math.max(0, addresses.length + notReadyAddresses.length - most), 0);

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
    setup: ({ env: { clock, metrics } }) => ({
      fence: createWriteFence(clock),
      told: createSliceMetrics(metrics, prefix),
      skipped: metrics.histogram(`${prefix}_addresses_skipped_per_sync`, 'Number of addresses skipped on each Endpoints sync due to being invalid or exceeding MaxEndpointsPerSubset', sliceCounts).with({}),
      took: metrics.histogram(`${prefix}_endpoints_sync_duration`, 'Duration of syncEndpoints() in seconds', latencyBuckets).with({}),
    }),
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
      const beganMs = context.env.clock.monotonic();
      try {
        await writeSlices(key, context, plan);
        // A slice of a mirror has as many endpoints as there are.
        state.told.planned(key, { slices, plan, most: maxEndpoints });
        state.skipped.observe(skippedOf(endpoints, maxEndpoints));
        state.took.observe((context.env.clock.monotonic() - beganMs) / 1000);
      } catch (error) {
        if (isNamespaceTerminating(error)) return;
        const message = `Error updating Endpoint Slices for Endpoints ${key}: ${(error as Error).message}`;
        context.events.event(Endpoints, endpoints, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message });
        throw error;
      }
    },
  });
}
