import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@orrery/api/types';
import { namesClaim, podClaims, volumeAnnotations } from '@orrery/api/volumes';
import type { ApiClient } from '@orrery/client';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { VolumeBindingArgs } from '../../configuration/types.ts';
import { type Status, failed, skip, unresolvable } from '../../framework/status.ts';
import { type CycleState, type PluginHandle, definePlugin } from '../../framework/types.ts';
import { volumeEvents } from '../../volumes/events.ts';
import { type NodeVolumes, type PodVolumeClaims, claimProblem, claimsOfPod, reaches, volumesOnNode } from './pod-volumes.ts';

const name = 'VolumeBinding';

interface State {
  readonly claims: PodVolumeClaims;
  readonly byNode: Map<string, NodeVolumes>;
  reserved?: NodeVolumes;
}

const stateOf = (state: CycleState): State | undefined => state.get(name) as State | undefined;
const keyOf = ({ metadata }: PersistentVolumeClaim): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

/** The volume names the claim: the binder completes the rest. */
async function bindStatic(api: ApiClient, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
  if (volume.spec?.claimRef?.uid && namesClaim(volume, claim)) return;
  const { name: claimName = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  const chosen = volume.spec?.claimRef ? {} : { annotations: { ...volume.metadata?.annotations, [volumeAnnotations.boundByController]: 'yes' } };
  const claimRef = { ...volume.spec?.claimRef, apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: claimName, namespace, uid, resourceVersion };
  await api.update(PersistentVolumes, { ...volume, metadata: { ...volume.metadata, ...chosen }, spec: { ...volume.spec, claimRef } });
}

/** The claim names the node: its provisioner makes the volume there. */
async function selectNode(api: ApiClient, claim: PersistentVolumeClaim, nodeName: string): Promise<void> {
  const annotations = claim.metadata?.annotations ?? {};
  if (annotations[volumeAnnotations.selectedNode] === nodeName) return;
  await api.update(PersistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations: { ...annotations, [volumeAnnotations.selectedNode]: nodeName } } });
}

interface Wanted {
  readonly pod: PodInfo;
  readonly nodeName: string;
  readonly volumes: NodeVolumes;
  /** Claims whose annotation has been seen: from then on its loss means that provisioning failed. */
  readonly seen: Set<string>;
  readonly timeoutMs: number;
}

/** Whether all is bound. Throws when it will not be. */
function allBound({ snapshot, volumes }: PluginHandle, wanted: Wanted): boolean {
  const node = snapshot().get(wanted.nodeName);
  if (!node?.node) throw new Error(`node "${wanted.nodeName}" not found`);
  if (!volumes.isPending(wanted.pod)) throw new Error(`pod ${wanted.pod.key} does not exist any more`);
  let all = true;
  for (const { metadata } of [...wanted.volumes.provisions, ...wanted.volumes.bindings.map(({ claim }) => claim)]) {
    const key = `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
    const claim = volumes.claim(key);
    if (!claim || claim.metadata?.uid !== metadata?.uid) throw new Error(`error getting PVC "${key}" from the cache: not found`);
    const annotations = claim.metadata?.annotations ?? {};
    if (claim.spec?.volumeName && annotations[volumeAnnotations.bindCompleted] !== undefined) {
      const volume = volumes.volume(claim.spec.volumeName);
      if (volume && !reaches(volume, node)) throw new Error(`pv "${claim.spec.volumeName}" node affinity doesn't match node "${wanted.nodeName}": no matching NodeSelectorTerms`);
      // The kubelet mounts what is Bound: by then the binder has written the last of it.
      all &&= volume !== undefined && claim.status?.phase === 'Bound';
      continue;
    }
    all = false;
    if (annotations[volumeAnnotations.selectedNode] === wanted.nodeName) wanted.seen.add(key);
    else if (wanted.seen.has(key)) throw new Error(`provisioning failed for PVC "${claim.metadata?.name ?? ''}"`);
  }
  return all;
}

/** Resolves when all is bound; rejects when it will not be, in time, or the scheduler stops. */
function whenBound(handle: PluginHandle, wanted: Wanted, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (then: () => void): void => {
      unsubscribe();
      timer.cancel();
      poll.cancel();
      signal.removeEventListener('abort', aborted);
      then();
    };
    const look = (): void => {
      try {
        if (allBound(handle, wanted)) end(resolve);
      } catch (error) {
        end(() => reject(error as Error));
      }
    };
    const aborted = (): void => end(() => reject(signal.reason as Error));
    const unsubscribe = handle.volumes.onChange(look);
    const timer = handle.env.clock.after(wanted.timeoutMs, () => end(() => reject(new Error('context deadline exceeded'))));
    // The pod or the node may go without a change of any volume.
    const poll = handle.env.clock.every(1_000, look);
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    else look();
  });
}

/** Binds the claims of a pod that wait for their first consumer, and keeps the pod where its bound claims can be reached. */
export const volumeBinding = definePlugin<VolumeBindingArgs>({
  name,
  create(handle, { bindTimeoutSeconds }) {
    const { api, volumes } = handle;
    // Of upstream's stages this one alone can fail here.
    const stageErrors = handle.env.metrics.counter('scheduler_volume_scheduling_stage_error_total', 'Volume scheduling stage error count');
    const assumed = { volumes: new Map<string, string>(), nodes: new Map<string, string>() };
    const forget = ({ bindings, provisions }: NodeVolumes): void => {
      for (const { volume } of bindings) assumed.volumes.delete(volume.metadata?.name ?? '');
      for (const claim of provisions) assumed.nodes.delete(keyOf(claim));
    };
    const bind = async (pod: PodInfo, nodeName: string, reserved: NodeVolumes, signal: AbortSignal): Promise<Status | undefined> => {
      try {
        for (const { claim, volume } of reserved.bindings) await bindStatic(api, volume, claim);
        for (const claim of reserved.provisions) await selectNode(api, claim, nodeName);
        await whenBound(handle, { pod, nodeName, volumes: reserved, seen: new Set(), timeoutMs: bindTimeoutSeconds * 1000 }, signal);
        forget(reserved);
        return undefined;
      } catch (error) {
        stageErrors.inc({ operation: 'bind' });
        return failed(new Error(`running PreBind plugin "${name}": binding volumes: ${(error as Error).message}`));
      }
    };
    return {
      name,
      events: volumeEvents,
      preFilter(state, { pod }): Status | undefined {
        if (podClaims(pod).length === 0) return skip;
        const problem = claimProblem(pod, volumes);
        if (problem) return unresolvable(problem);
        const claims = claimsOfPod(pod, volumes, assumed);
        if (claims.immediate.length) return unresolvable('pod has unbound immediate PersistentVolumeClaims');
        state.set(name, { claims, byNode: new Map() } satisfies State);
        return undefined;
      },
      filter(state, _pod, node) {
        const mine = stateOf(state);
        if (!mine) return undefined;
        const found = volumesOnNode(mine.claims, node, volumes);
        if (!('bindings' in found)) return unresolvable(...found);
        mine.byNode.set(node.name, found);
        return undefined;
      },
      reserve(state, _pod, nodeName) {
        const mine = stateOf(state);
        if (!mine) return undefined;
        // A nominated node was judged in a state of its own.
        const node = handle.snapshot().get(nodeName);
        const found = mine.byNode.get(nodeName) ?? (node && volumesOnNode(mine.claims, node, volumes));
        if (!found) return failed(new Error(`node "${nodeName}" not found`));
        if (!('bindings' in found)) return unresolvable(...found);
        mine.reserved = found;
        for (const { claim, volume } of found.bindings) assumed.volumes.set(volume.metadata?.name ?? '', keyOf(claim));
        for (const claim of found.provisions) assumed.nodes.set(keyOf(claim), nodeName);
        return undefined;
      },
      unreserve(state) {
        const mine = stateOf(state);
        if (mine?.reserved) forget(mine.reserved);
      },
      preBind(state, pod, nodeName, signal) {
        const reserved = stateOf(state)?.reserved;
        if (!reserved || (reserved.bindings.length === 0 && reserved.provisions.length === 0)) return undefined;
        return bind(pod, nodeName, reserved, signal);
      },
    };
  },
});
