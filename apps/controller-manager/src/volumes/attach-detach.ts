import { CSIDrivers, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, VolumeAttachments } from '@orrery/api';
import type { Node, Pod, VolumeAttachment } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { deepEqual } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { type AttachPlan, type AttachWorld, attachmentName, maxWaitForUnmountMs, multiAttachMessage, planAttachments } from './attach-plan.ts';
import { tellAttachments, tellForced } from './metrics.ts';
import { indexPodsByClaim, podsOfClaim, usesClaims } from './pods-by-claim.ts';

const key = 'attachments';
const none: readonly string[] = [];

interface State {
  readonly mayForce: boolean;
  /** Attachments that no pod needs, by name, and since when. */
  readonly unneeded: Map<string, number>;
  /** Volume and node of what was told to be blocked. */
  readonly blocked: Set<string>;
}

type Context = ControllerContext<State>;

/** What of a node decides about its attachments. */
const nodeFacts = ({ spec, status }: Node): readonly unknown[] => [status?.volumesInUse ?? [], status?.volumesAttached ?? [], spec?.taints?.map((taint) => taint.key) ?? [], status?.conditions?.find(({ type }) => type === 'Ready')?.status];

/** The pods on the node of an attachment that use its volume. */
function podsOf({ spec }: VolumeAttachment, { store }: Pick<Context, 'store'>): Pod[] {
  const claim = store(PersistentVolumes).get(spec?.source.persistentVolumeName ?? '')?.spec?.claimRef;
  if (!claim) return [];
  return [...podsOfClaim({ store }, claim)].filter((pod) => pod.spec?.nodeName === spec?.nodeName);
}

/** Tells pods how the attacher fares. */
function tellProgress(now: VolumeAttachment, old: VolumeAttachment | undefined, context: Pick<Context, 'store' | 'events'>): void {
  if (!old) return;
  const volume = now.spec?.source.persistentVolumeName ?? '';
  const failure = now.status?.attachError?.message;
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => podsOf(now, context).forEach((pod) => context.events.event(Pods, pod, { type, reason, message }));
  if (!old.status?.attached && now.status?.attached) tell('Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume "${volume}" `);
  else if (failure && failure !== old.status?.attachError?.message) tell('Warning', 'FailedAttachVolume', `AttachVolume.Attach failed for volume "${volume}" : ${failure}`);
}

function worldOf({ state, store }: Context, attachments: Iterable<VolumeAttachment>): AttachWorld {
  return {
    pods: store(Pods).list(),
    attachments,
    claim: (name) => store(PersistentVolumeClaims).get(name),
    volume: (name) => store(PersistentVolumes).get(name),
    driver: (name) => store(CSIDrivers).get(name),
    node: (name) => store(Nodes).get(name),
    unneededSince: (name) => state.unneeded.get(name),
    mayForce: state.mayForce,
  };
}

/** Nodes are told what they have before it is taken away, and after it is there: kubelets mount by it. */
async function tellNodes({ attached }: AttachPlan, { api, store }: Context): Promise<void> {
  for (const node of store(Nodes).list()) {
    const name = node.metadata?.name ?? '';
    const wanted = attached.get(name) ?? [];
    const has = node.status?.volumesAttached ?? [];
    if (deepEqual(has.map((one) => one.name).sort(), wanted)) continue;
    const volumesAttached = wanted.map((volume) => ({ name: volume, devicePath: '' }));
    await ignoring(isNotFound, api.patch(Nodes, { name }, { metadata: { uid: node.metadata?.uid }, status: { volumesAttached } }, { type: 'application/merge-patch+json', subresource: 'status' }));
  }
}

async function ignoring(expected: (error: unknown) => boolean, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!expected(error)) throw error;
  }
}

/** Every pod that has to wait is told once. */
function tellBlocked({ blocked }: AttachPlan, { events, state }: Context): void {
  const now = new Set<string>();
  for (const one of blocked) {
    const pair = `${one.wanted.volume} ${one.wanted.node}`;
    now.add(pair);
    if (state.blocked.has(pair)) continue;
    state.blocked.add(pair);
    for (const pod of one.wanted.pods) events.event(Pods, pod, { type: 'Warning', reason: 'FailedAttachVolume', message: multiAttachMessage(one, pod.metadata?.namespace ?? '') });
  }
  for (const pair of state.blocked) if (!now.has(pair)) state.blocked.delete(pair);
}

/** Notes since when attachments are not needed. */
function noteUnneeded({ detach, mounted }: AttachPlan, { state }: Context, nowMs: number): void {
  const names = new Set([...detach, ...mounted].map(({ metadata }) => metadata?.name ?? ''));
  for (const name of state.unneeded.keys()) if (!names.has(name)) state.unneeded.delete(name);
  for (const name of names) if (!state.unneeded.has(name)) state.unneeded.set(name, nowMs);
}

/** Keeps a VolumeAttachment for every CSI volume and node where pods use it. Attaching is the external attacher's. */
export function attachDetachController({ mayForce }: { readonly mayForce: boolean }): AnyController {
  return defineController<KubeObject, State>({
    name: 'persistentvolume-attach-detach-controller',
    account: 'attachdetach-controller',
    eventSource: 'attachdetach-controller',
    concurrency: 1,
    coalesceMs: () => 100,
    watches: [
      watch<Pod, State>(Pods, ({ object }) => (usesClaims(object) ? [key] : none)),
      watch(PersistentVolumes, ({ object }) => (object.spec?.csi ? [key] : [])),
      watch(PersistentVolumeClaims, ({ object }) => (object.spec?.volumeName ? [key] : [])),
      watch<VolumeAttachment, State>(VolumeAttachments, ({ object, old }, context) => {
        tellProgress(object, old, context);
        return [key];
      }),
      watch<Node, State>(Nodes, ({ object, gone, old }, { store }) => (gone || !old || (store(VolumeAttachments).size > 0 && !deepEqual(nodeFacts(object), nodeFacts(old))) ? [key] : [])),
    ],
    setup(context) {
      context.store(CSIDrivers);
      context.store(PersistentVolumes).addIndexer('csi', ({ spec }) => (spec?.csi ? ['yes'] : []));
      indexPodsByClaim(context);
      tellAttachments(context);
      return { mayForce, unneeded: new Map(), blocked: new Set() };
    },
    async reconcile(_key, context) {
      const { api, env, store } = context;
      // Most clusters have no such volumes: then there is no need to look at the pods.
      if (store(PersistentVolumes).countByIndex('csi', 'yes') === 0 && store(VolumeAttachments).size === 0) return;
      const nowMs = env.clock.now();
      let plan = planAttachments(worldOf(context, store(VolumeAttachments).list()), nowMs);
      // What was attached may not show in the cache yet, or not have been answered: a volume must not get to a second node for that.
      if (plan.attach.length) plan = planAttachments(worldOf(context, (await api.list(VolumeAttachments)).items), nowMs);
      noteUnneeded(plan, context, nowMs);
      tellBlocked(plan, context);
      await tellNodes(plan, context);
      for (const { metadata } of plan.detach) await ignoring(isNotFound, api.delete(VolumeAttachments, { name: metadata?.name ?? '' }));
      for (const reason of plan.forced.values()) tellForced(env.metrics, reason);
      for (const one of plan.attach) {
        const spec = { attacher: one.driver, nodeName: one.node, source: { persistentVolumeName: one.volume } };
        await ignoring(isAlreadyExists, api.create(VolumeAttachments, { apiVersion: 'storage.k8s.io/v1', kind: VolumeAttachments.kind, metadata: { name: await attachmentName(one) }, spec }));
      }
      return plan.mounted.length ? { requeueAfterMs: maxWaitForUnmountMs } : undefined;
    },
  });
}
