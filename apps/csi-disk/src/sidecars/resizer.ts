import { PersistentVolumeClaims, PersistentVolumes, VolumeAttributesClasses } from '@orrery/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@orrery/api/types';
import { compareQuantity, formatQuantity, parseQuantity, quantityOf, quantityValue } from '@orrery/apimachinery';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { ControllerDefinition } from '@orrery/proto/csi';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import { driverName } from '../names.ts';
import { capabilityOf } from './attacher.ts';
import { callTimeoutMs, edited, failureText } from './objects.ts';

type Status = NonNullable<PersistentVolumeClaim['status']>;
type Context = ControllerContext<undefined>;

const size = (value: string | undefined) => parseQuantity(value ?? '0');
const requestOf = ({ spec }: PersistentVolumeClaim): string => spec?.resources?.requests?.['storage'] ?? '0';
const conditionsOfResize = ['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError'];

/** Whether the driver has to make the volume larger: the kubelet does the rest. */
export function wantsGrowth(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  return claim.status?.phase === 'Bound' && compareQuantity(size(requestOf(claim)), size(volume.spec?.capacity?.['storage'])) > 0;
}

/** The driver is done, and the claim does not tell that the node is next. */
export function wantsNode(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const { capacity, allocatedResourceStatuses } = claim.status ?? {};
  return claim.status?.phase === 'Bound' && compareQuantity(size(volume.spec?.capacity?.['storage']), size(capacity?.['storage'])) > 0 && !allocatedResourceStatuses?.['storage']?.startsWith('NodeResize');
}

/** The status of a claim at one step of its growth, in the words of the external resizer. */
export function resizeStatus(claim: PersistentVolumeClaim, step: { state: 'ControllerResizeInProgress' | 'ControllerResizeInfeasible' | 'NodeResizePending'; condition: { type: string; message?: string }; nowMs: number }): Status {
  const { state, condition, nowMs } = step;
  const others = (claim.status?.conditions ?? []).filter(({ type }) => !conditionsOfResize.includes(type));
  return {
    ...claim.status,
    allocatedResources: { ...claim.status?.allocatedResources, storage: requestOf(claim) },
    allocatedResourceStatuses: { ...claim.status?.allocatedResourceStatuses, storage: state },
    conditions: [...others, { status: 'True', lastTransitionTime: rfc3339(nowMs), ...condition }],
  };
}

const infeasible: readonly number[] = [Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.NOT_FOUND];

const [firstRetryMs, lastRetryMs] = [1_000, 300_000];

/** When what has failed is tried again: telling the failure in the claim's status must not bring the next try on. */
export class Retries {
  private readonly failed = new Map<string, { readonly wanted: string; readonly untilMs: number; readonly delayMs: number }>();

  /** How long the claim has to wait yet; 0 when it wants something else than what failed. */
  waitMs(key: string, wanted: string, nowMs: number): number {
    const last = this.failed.get(key);
    return last?.wanted === wanted ? Math.max(0, last.untilMs - nowMs) : 0;
  }

  /** What cannot be done at all is tried again after the longest time. */
  note(key: string, wanted: string, { nowMs, isInfeasible }: { nowMs: number; isInfeasible: boolean }): void {
    const last = this.failed.get(key);
    const delayMs = isInfeasible ? lastRetryMs : Math.min(lastRetryMs, last?.wanted === wanted ? last.delayMs * 2 : firstRetryMs);
    this.failed.set(key, { wanted, delayMs, untilMs: nowMs + delayMs });
  }

  forget(key: string): void {
    this.failed.delete(key);
  }
}

/** The external resizer: volumes of the driver grow and change their attributes as their claims ask. */
export function resizer(driver: Channel, { workers }: { workers: number }): AnyController {
  const controller = createClient(ControllerDefinition, driver);
  const options = { timeoutMs: callTimeoutMs };
  const retries = new Retries();

  const tell = (claim: PersistentVolumeClaim, context: Context, step: Omit<Parameters<typeof resizeStatus>[1], 'nowMs'>): Promise<PersistentVolumeClaim | undefined> =>
    edited(context.api, PersistentVolumeClaims, { seen: claim, subresource: 'status', edit: (now) => ({ ...now, status: resizeStatus(now, { ...step, nowMs: context.env.clock.now() }) }) });
  const grow = async (claim: PersistentVolumeClaim, volume: PersistentVolume, context: Context): Promise<void> => {
    const { api, events } = context;
    const name = volume.metadata?.name ?? '';
    events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'Resizing', message: `External resizer is resizing volume ${name}` });
    const current = (await tell(claim, context, { state: 'ControllerResizeInProgress', condition: { type: 'Resizing' } })) ?? claim;
    let bytes: number;
    try {
      const { capacityBytes = 0 } = await controller.controllerExpandVolume({ volumeId: volume.spec?.csi?.volumeHandle ?? '', capacityRange: { requiredBytes: quantityValue(size(requestOf(claim))) }, volumeCapability: capabilityOf(volume) }, options);
      bytes = capacityBytes;
    } catch (error) {
      const message = `resize volume "${name}" by resizer "${driverName}" failed: ${failureText(error)}`;
      events.event(PersistentVolumeClaims, claim, { type: 'Warning', reason: 'VolumeResizeFailed', message });
      if (error instanceof RpcError && infeasible.includes(error.code)) await tell(current, context, { state: 'ControllerResizeInfeasible', condition: { type: 'ControllerResizeError', message } });
      throw error;
    }
    const storage = formatQuantity(quantityOf(bytes, 'BinarySI'));
    await edited(api, PersistentVolumes, { seen: volume, edit: (now) => ({ ...now, spec: { ...now.spec, capacity: { ...now.spec?.capacity, storage } } }) });
    await askNode(current, context);
  };
  const askNode = async (claim: PersistentVolumeClaim, context: Context): Promise<void> => {
    const message = 'Waiting for user to (re-)start a pod to finish file system resize of volume on node.';
    await tell(claim, context, { state: 'NodeResizePending', condition: { type: 'FileSystemResizePending', message } });
    context.events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'FileSystemResizeRequired', message: 'Require file system resize of volume on node' });
  };
  const modify = async (claim: PersistentVolumeClaim, volume: PersistentVolume, context: Context): Promise<void> => {
    const { api, events, store } = context;
    const target = claim.spec?.volumeAttributesClassName ?? '';
    const modifyStatus = (status: string, more: Partial<Status> = {}) =>
      edited(api, PersistentVolumeClaims, { seen: claim, subresource: 'status', edit: (now) => ({ ...now, status: { ...now.status, modifyVolumeStatus: { targetVolumeAttributesClassName: target, status }, ...more } }) });
    const wanted = store(VolumeAttributesClasses).get(target);
    if (!wanted) {
      await modifyStatus('Pending');
      events.event(PersistentVolumeClaims, claim, { type: 'Warning', reason: 'VolumeModifyFailed', message: `VAC ${target} does not exist.` });
      throw new Error(`VolumeAttributesClass ${target} does not exist`);
    }
    await modifyStatus('InProgress');
    try {
      await controller.controllerModifyVolume({ volumeId: volume.spec?.csi?.volumeHandle ?? '', mutableParameters: { ...wanted.parameters } }, options);
    } catch (error) {
      if (error instanceof RpcError && error.code === Code.INVALID_ARGUMENT) await modifyStatus('Infeasible');
      events.event(PersistentVolumeClaims, claim, { type: 'Warning', reason: 'VolumeModifyFailed', message: failureText(error) });
      throw error;
    }
    await edited(api, PersistentVolumes, { seen: volume, edit: (now) => ({ ...now, spec: { ...now.spec, volumeAttributesClassName: target } }) });
    await edited(api, PersistentVolumeClaims, {
      seen: claim,
      subresource: 'status',
      edit: ({ status, ...now }) => {
        const { modifyVolumeStatus: _done, ...left } = status ?? {};
        return { ...now, status: { ...left, currentVolumeAttributesClassName: target } };
      },
    });
    events.event(PersistentVolumeClaims, claim, { type: 'Normal', reason: 'VolumeModifySuccessful', message: `external resizer modified volume ${claim.metadata?.name ?? ''} with vac ${target} successfully ` });
  };
  return defineController({
    name: 'csi-resizer',
    account: '',
    eventSource: `external-resizer ${driverName}`,
    concurrency: workers,
    watches: [
      watch(PersistentVolumeClaims, ({ object, gone }) => (!gone && object.spec?.volumeName ? [keyOf(object)] : [])),
      // A claim may be seen before its volume is.
      watch(PersistentVolumes, ({ object: { spec }, gone }) => (!gone && spec?.csi?.driver === driverName && spec.claimRef ? [`${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}`] : [])),
    ],
    setup(context) {
      context.store(VolumeAttributesClasses);
    },
    async reconcile(key, untyped) {
      const context = untyped as Context;
      const claim = context.store(PersistentVolumeClaims).get(key);
      const volume = claim && context.store(PersistentVolumes).get(claim.spec?.volumeName ?? '');
      if (!claim || volume?.spec?.csi?.driver !== driverName) return retries.forget(key);
      const attributes = claim.spec?.volumeAttributesClassName;
      const wanted = `${requestOf(claim)} ${attributes ?? ''}`;
      const waitMs = retries.waitMs(key, wanted, context.env.clock.now());
      if (waitMs > 0) return { requeueAfterMs: waitMs };
      try {
        if (wantsGrowth(claim, volume)) await grow(claim, volume, context);
        else if (wantsNode(claim, volume)) await askNode(claim, context);
        if (attributes && claim.status?.phase === 'Bound' && attributes !== volume.spec.volumeAttributesClassName) await modify(claim, volume, context);
        retries.forget(key);
      } catch (error) {
        retries.note(key, wanted, { nowMs: context.env.clock.now(), isInfeasible: error instanceof RpcError && infeasible.includes(error.code) });
        throw error;
      }
    },
  });
}
