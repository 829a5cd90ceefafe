import { CSIDrivers, PersistentVolumeClaims, PersistentVolumes, Pods, Secrets, VolumeAttachments } from '@orrery/api';
import type { CSIDriver, CSIPersistentVolumeSource, CSIVolumeSource, PersistentVolume, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { compareQuantity, parseQuantity, quantityValue } from '@orrery/apimachinery';
import type { ApiClient, EventRecorder } from '@orrery/client';
import { type VolumeHost, sha256Hex } from '@orrery/cri';
import { isNotFound } from '@orrery/errors';
import type { Clock, Logger, Timer } from '@orrery/runtime';
import { type VolumeCapability, VolumeCapability_AccessMode_Mode as Mode } from '@orrery/proto/csi';
import { nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import type { CsiDriver, CsiDrivers } from './csi-drivers.ts';

const timeoutMs = 120_000;
/** How often claims of mounted volumes are looked at for having grown. */
const growthPeriodMs = 10_000;

/** A CSI volume cannot be had now; the message is that of the event that tells it. */
export class CsiFault extends Error {
  /** All that is missing is that whoever attaches volumes does it. */
  readonly awaitsAttachment: boolean;
  readonly reason: 'FailedMount' | 'FailedMapVolume';

  constructor(message: string, options: { awaitsAttachment?: boolean; reason?: CsiFault['reason'] } = {}) {
    super(message);
    this.awaitsAttachment = options.awaitsAttachment ?? false;
    this.reason = options.reason ?? 'FailedMount';
  }
}

export interface CsiVolumesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly api: ApiClient;
  readonly host: VolumeHost;
  readonly drivers: CsiDrivers;
  readonly nodeName: string;
  readonly rootDir: string;
  /** The node's list of volumes in use has changed. */
  readonly changed: () => void;
}

/** What is remembered beside a mounted volume, so that a later kubelet can undo it. */
interface VolumeData {
  readonly specVolID: string;
  readonly volumeHandle: string;
  readonly driverName: string;
  readonly nodeName: string;
  readonly volumeLifecycleMode: 'Persistent' | 'Ephemeral';
  /** Of a block device: where it was staged and where it was published. */
  readonly device?: { readonly staging: string; readonly target: string };
}

const modes: Readonly<Record<string, number>> = { ReadWriteOnce: Mode.SINGLE_NODE_WRITER, ReadOnlyMany: Mode.MULTI_NODE_READER_ONLY, ReadWriteMany: Mode.MULTI_NODE_MULTI_WRITER, ReadWriteOncePod: Mode.SINGLE_NODE_WRITER };

function capabilityOf({ fsType, mountFlags, accessMode, group, isBlock = false }: { fsType: string; mountFlags: readonly string[]; accessMode: string; group: number | undefined; isBlock?: boolean }): VolumeCapability {
  return {
    accessType: isBlock ? { $case: 'block', value: {} } : { $case: 'mount', value: { fsType, mountFlags: [...mountFlags], volumeMountGroup: group === undefined ? '' : String(group) } },
    accessMode: { mode: (modes[accessMode] ?? Mode.UNKNOWN) as NonNullable<VolumeCapability['accessMode']>['mode'] },
  };
}

/** A volume in a pod's directory. */
interface Mounted {
  readonly driver: CsiDriver;
  readonly source: CSIPersistentVolumeSource;
  readonly pod: Pod;
  readonly volumeName: string;
  readonly claim: { readonly namespace: string; readonly name: string };
  readonly staging: string;
  readonly target: string;
  readonly capability: VolumeCapability;
}

/** What upstream calls the steps of making a volume. */
const mountSteps = { device: 'MountVolume.MountDevice', attach: 'MountVolume.WaitForAttach', setUp: 'MountVolume.SetUp', expand: 'MountVolume.NodeExpandVolume' };
const mapSteps = { device: 'MapVolume.SetUpDevice', attach: 'MapVolume.WaitForAttach', setUp: 'MapVolume.MapPodDevice', expand: 'MapVolume.NodeExpandVolume' };

/** Mounts volumes of CSI drivers: waits until they are attached, stages each once for the node and publishes it to each pod. */
export class CsiVolumes {
  private readonly options: CsiVolumesOptions;
  /** Pods that use a staged volume, by `driver^handle`. */
  private readonly users = new Map<string, Set<string>>();
  /** By the directory where they are mounted. */
  private readonly mounted = new Map<string, Mounted>();
  private timer: Timer | undefined;

  constructor(options: CsiVolumesOptions) {
    this.options = options;
  }

  /** `kubernetes.io/csi/DRIVER^HANDLE` of all volumes that are mounted, or about to be. */
  inUse(): string[] {
    return [...this.users.keys()].map((key) => `kubernetes.io/csi/${key}`).sort();
  }

  /** Mounts the volume of a claim into the pod's directory, or makes its block device, and returns where. Again and again gives the same. */
  async mount(pod: Pod, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<string> {
    const source = volume.spec?.csi as CSIPersistentVolumeSource;
    const name = volume.metadata?.name ?? '';
    const isBlock = volume.spec?.volumeMode === 'Block';
    const steps = isBlock ? mapSteps : mountSteps;
    const failed = (step: keyof typeof mountSteps, error: unknown, awaitsAttachment = false): CsiFault => new CsiFault(`${steps[step]} failed for volume "${name}" : ${(error as Error).message}`, { awaitsAttachment, reason: isBlock ? 'FailedMapVolume' : 'FailedMount' });
    const driver = this.driver(source.driver, (error) => failed('device', error));
    const kind = await this.driverObject(source.driver);
    this.use(source, pod);
    const publishContext = await this.attached(source, kind).catch((error: unknown) => Promise.reject(failed('attach', error, true)));
    const capability = capabilityOf({ fsType: source.fsType ?? '', mountFlags: volume.spec?.mountOptions ?? [], accessMode: volume.spec?.accessModes?.[0] ?? '', group: driver.can.has('group') ? pod.spec?.securityContext?.fsGroup : undefined, isBlock });
    const common = { volumeId: source.volumeHandle, publishContext, volumeCapability: capability };
    const staging = driver.can.has('stage') ? (isBlock ? `${this.deviceDir()}/staging/${name}` : this.stagingPath(source)) : '';
    if (staging) {
      await this.options.host.makeDir(staging, 0o750);
      const secrets = await this.secrets(source.nodeStageSecretRef);
      await driver.node.nodeStageVolume({ ...common, stagingTargetPath: staging, secrets, volumeContext: { ...source.volumeAttributes } }, { timeoutMs }).catch((error: unknown) => Promise.reject(failed('device', error)));
    }
    const data: VolumeData = { specVolID: name, volumeHandle: source.volumeHandle, driverName: source.driver, nodeName: this.options.nodeName, volumeLifecycleMode: 'Persistent' };
    const target = isBlock ? await this.prepareDevice(pod, data, staging) : await this.prepare(pod, data);
    const secrets = await this.secrets(source.nodePublishSecretRef);
    const volumeContext = { ...source.volumeAttributes, ...podInfo(pod, kind, false) };
    await driver.node
      .nodePublishVolume({ ...common, stagingTargetPath: staging, targetPath: target, readonly: source.readOnly ?? false, secrets, volumeContext }, { timeoutMs })
      .catch((error: unknown) => Promise.reject(failed('setUp', error)));
    const { namespace = '', name: claimName = '' } = claim.metadata ?? {};
    const mounted: Mounted = { driver, source, pod, volumeName: name, claim: { namespace, name: claimName }, staging, target, capability };
    await this.expand(mounted, volume, claim).catch((error: unknown) => Promise.reject(failed('expand', error)));
    if (driver.can.has('expand')) this.mounted.set(target, mounted);
    this.timer ??= this.options.clock.every(growthPeriodMs, () => void this.grow());
    return target;
  }

  /** Mounts a volume that a driver makes for this pod alone. */
  async mountInline(pod: Pod, name: string, source: CSIVolumeSource): Promise<string> {
    const failed = (error: unknown): CsiFault => new CsiFault(`MountVolume.SetUp failed for volume "${name}" : ${(error as Error).message}`);
    const driver = this.driver(source.driver, failed);
    const kind = await this.driverObject(source.driver);
    if (!kind?.spec?.volumeLifecycleModes?.includes('Ephemeral')) throw failed(new Error(`kubernetes.io/csi: mounter.SetUpAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver ${source.driver} (no CSIDriver object says so)`));
    const volumeHandle = `csi-${sha256Hex(`${name}${uidOf(pod)}`)}`;
    const target = await this.prepare(pod, { specVolID: name, volumeHandle, driverName: source.driver, nodeName: this.options.nodeName, volumeLifecycleMode: 'Ephemeral' });
    const { nodePublishSecretRef: ref } = source;
    const secrets = await this.secrets(ref?.name ? { name: ref.name, namespace: namespaceOf(pod) } : undefined);
    const volumeCapability = capabilityOf({ fsType: source.fsType ?? '', mountFlags: [], accessMode: 'ReadWriteOnce', group: driver.can.has('group') ? pod.spec?.securityContext?.fsGroup : undefined });
    const volumeContext = { ...source.volumeAttributes, ...podInfo(pod, kind, true), 'csi.storage.k8s.io/ephemeral': 'true' };
    await driver.node.nodePublishVolume({ volumeId: volumeHandle, targetPath: target, readonly: source.readOnly ?? false, volumeCapability, secrets, volumeContext }, { timeoutMs }).catch((error: unknown) => Promise.reject(failed(error)));
    return target;
  }

  /** Takes all CSI volumes of a pod from it, and from the node those that no other pod uses. Throws when a driver does not. */
  async unmount(uid: string): Promise<void> {
    const { host } = this.options;
    for (const dir of [this.podDir(uid), this.podDeviceDir(uid)]) {
      for (const volume of await host.list(dir)) {
        const data = await this.noted(`${dir}/${volume}`);
        if (data) await this.unpublish(`${dir}/${volume}`, data, uid);
      }
    }
  }

  private async unpublish(dir: string, data: VolumeData, uid: string): Promise<void> {
    const { host } = this.options;
    const target = data.device?.target ?? `${dir}/mount`;
    const step = data.device ? 'UnmapVolume.UnmapPodDevice' : 'UnmountVolume.TearDown';
    const driver = this.driver(data.driverName, (error) => new CsiFault(`${step} failed for volume "${data.specVolID}" : ${(error as Error).message}`));
    await driver.node.nodeUnpublishVolume({ volumeId: data.volumeHandle, targetPath: target }, { timeoutMs });
    this.mounted.delete(target);
    if (this.mounted.size === 0) this.stop();
    if (data.device) await host.remove(target);
    await host.remove(dir);
    if (data.volumeLifecycleMode === 'Persistent') await this.leave(driver, data, uid);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** Lets what is mounted grow, where claims ask for it; what fails is tried again. */
  private async grow(): Promise<void> {
    const { api, log } = this.options;
    for (const one of this.mounted.values()) {
      try {
        const claim = await api.get(PersistentVolumeClaims, one.claim);
        // Only a claim whose driver is done tells this; all others cost no more than the look.
        if (claim.status?.allocatedResourceStatuses?.['storage']?.startsWith('NodeResize')) await this.expand(one, await api.get(PersistentVolumes, { name: one.volumeName }), claim);
      } catch (error) {
        log.debug('a volume does not grow', { volume: one.volumeName, error: (error as Error).message });
      }
    }
  }

  private async leave(driver: CsiDriver, { driverName, volumeHandle, device }: VolumeData, uid: string): Promise<void> {
    const key = `${driverName}^${volumeHandle}`;
    const users = this.users.get(key);
    users?.delete(uid);
    // After a restart of the kubelet not all pods may have mounted their volumes again.
    if (users?.size || (await this.isNoted({ driverName, volumeHandle }))) return;
    const staging = device?.staging ?? this.stagingPath({ driver: driverName, volumeHandle });
    if (driver.can.has('stage') && (await this.options.host.kind(staging))) {
      await driver.node.nodeUnstageVolume({ volumeId: volumeHandle, stagingTargetPath: staging }, { timeoutMs });
      await this.options.host.remove(staging.replace(/\/globalmount$/, ''));
    }
    this.users.delete(key);
    this.options.changed();
  }

  /** Whether some pod's directory says that the volume is mounted there. */
  private async isNoted({ driverName, volumeHandle }: Pick<VolumeData, 'driverName' | 'volumeHandle'>): Promise<boolean> {
    const { host, rootDir } = this.options;
    for (const uid of await host.list(`${rootDir}/pods`)) {
      for (const dir of [this.podDir(uid), this.podDeviceDir(uid)]) {
        for (const volume of await host.list(dir)) {
          const data = await this.noted(`${dir}/${volume}`);
          if (data?.driverName === driverName && data.volumeHandle === volumeHandle) return true;
        }
      }
    }
    return false;
  }

  private async noted(dir: string): Promise<VolumeData | undefined> {
    const bytes = await this.options.host.readFile(`${dir}/vol_data.json`);
    return bytes && (JSON.parse(Buffer.from(bytes).toString('utf8')) as VolumeData);
  }

  private use({ driver, volumeHandle }: CSIPersistentVolumeSource, pod: Pod): void {
    const key = `${driver}^${volumeHandle}`;
    const users = this.users.get(key);
    if (users) users.add(uidOf(pod));
    else {
      this.users.set(key, new Set([uidOf(pod)]));
      this.options.changed();
    }
  }

  private driver(name: string, failed: (error: Error) => Error): CsiDriver {
    const driver = this.options.drivers.get(name);
    if (!driver) throw failed(new Error(`kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${name} not found in the list of registered CSI drivers`));
    return driver;
  }

  private driverObject(name: string): Promise<CSIDriver | undefined> {
    return this.options.api.get(CSIDrivers, { name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  }

  /** What attaching has told; drivers that need none tell nothing. Throws while the volume is not attached. */
  private async attached({ driver, volumeHandle }: CSIPersistentVolumeSource, kind: CSIDriver | undefined): Promise<Record<string, string>> {
    if (kind?.spec?.attachRequired === false) return {};
    const { api, nodeName } = this.options;
    const name = `csi-${sha256Hex(`${volumeHandle}${driver}${nodeName}`)}`;
    const { status } = await api.get(VolumeAttachments, { name }).catch((error: unknown) => {
      if (isNotFound(error)) throw new Error(`volume ${volumeHandle} has GET error for volume attachment ${name}: volumeattachments.storage.k8s.io "${name}" not found`, { cause: error });
      throw error;
    });
    if (status?.attached) return { ...status.attachmentMetadata };
    throw new Error(status?.attachError?.message ?? `volume attachment ${name} is not attached yet`);
  }

  private async secrets(ref: { name?: string; namespace?: string } | undefined): Promise<Record<string, string>> {
    if (!ref?.name) return {};
    const { data = {} } = await this.options.api.get(Secrets, { namespace: ref.namespace ?? '', name: ref.name });
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
  }

  private stagingPath({ driver, volumeHandle }: { driver: string; volumeHandle: string }): string {
    return `${this.options.rootDir}/plugins/kubernetes.io/csi/${driver}/${sha256Hex(volumeHandle)}/globalmount`;
  }

  private podDir(uid: string): string {
    return `${this.options.rootDir}/pods/${uid}/volumes/kubernetes.io~csi`;
  }

  private podDeviceDir(uid: string): string {
    return `${this.options.rootDir}/pods/${uid}/volumeDevices/kubernetes.io~csi`;
  }

  private deviceDir(): string {
    return `${this.options.rootDir}/plugins/kubernetes.io/csi/volumeDevices`;
  }

  /** The same for a block device, which the driver makes as a file. */
  private async prepareDevice(pod: Pod, data: VolumeData, staging: string): Promise<string> {
    const published = `${this.deviceDir()}/publish/${data.specVolID}`;
    const target = `${published}/${uidOf(pod)}`;
    await this.options.host.makeDir(published, 0o750);
    const noted = { ...data, device: { staging, target } };
    await this.options.host.writeCheckpoint(`${this.podDeviceDir(uidOf(pod))}/${data.specVolID}/vol_data.json`, JSON.stringify(noted));
    return target;
  }

  /** Notes what is about to be mounted, and returns where: the driver makes that directory itself. */
  private async prepare(pod: Pod, data: VolumeData): Promise<string> {
    const dir = `${this.podDir(uidOf(pod))}/${data.specVolID}`;
    await this.options.host.makeDir(dir, 0o750);
    await this.options.host.writeCheckpoint(`${dir}/vol_data.json`, JSON.stringify(data));
    return `${dir}/mount`;
  }

  /** Grows the file system to what the volume has become, where the claim says that only this is missing. */
  private async expand({ driver, source, pod, volumeName, staging, target, capability: volumeCapability }: Mounted, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const { storage: has } = claim.status?.capacity ?? {};
    const { storage: size } = volume.spec?.capacity ?? {};
    if (!driver.can.has('expand') || !has || !size || compareQuantity(parseQuantity(size), parseQuantity(has)) <= 0) return;
    const { api, events, nodeName } = this.options;
    const requiredBytes = quantityValue(parseQuantity(size));
    const secrets = await this.secrets(source.nodeExpandSecretRef);
    await driver.node.nodeExpandVolume({ volumeId: source.volumeHandle, volumePath: target, stagingTargetPath: staging, capacityRange: { requiredBytes }, volumeCapability, secrets }, { timeoutMs });
    const { namespace = '', name = '' } = claim.metadata ?? {};
    await api.patch(PersistentVolumeClaims, { namespace, name }, { status: { capacity: { storage: size }, conditions: null, allocatedResourceStatuses: null } }, { subresource: 'status', type: 'application/merge-patch+json' });
    const event = { type: 'Normal', reason: 'FileSystemResizeSuccessful', message: `MountVolume.NodeExpandVolume succeeded for volume "${volumeName}" ${nodeName}` } as const;
    events.event(Pods, pod, event);
    events.event(PersistentVolumeClaims, claim, event);
  }
}

/** What drivers that ask for it are told of the pod. */
function podInfo(pod: Pod, kind: CSIDriver | undefined, isEphemeral: boolean): Record<string, string> {
  if (!kind?.spec?.podInfoOnMount) return {};
  return {
    'csi.storage.k8s.io/pod.name': nameOf(pod),
    'csi.storage.k8s.io/pod.namespace': namespaceOf(pod),
    'csi.storage.k8s.io/pod.uid': uidOf(pod),
    'csi.storage.k8s.io/serviceAccount.name': pod.spec?.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(isEphemeral),
  };
}
