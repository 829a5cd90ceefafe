import { CSIDrivers, PersistentVolumeClaims, PersistentVolumes, Pods } from '@orrery/api';
import type { CSIDriver, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { type PodClaim, localProvisioner, notOwnClaim, volumeAnnotations } from '@orrery/api/volumes';
import type { ApiClient, EventRecorder } from '@orrery/client';
import type { VolumeHost } from '@orrery/cri';
import { isNotFound } from '@orrery/errors';
import type { CsiVolumes } from '../csi/csi-volumes.ts';
import type { MountedVolume } from './volume-manager.ts';
import { nodeMatches } from '../pods/admission.ts';
import { namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { followsFsGroup, giveToPod } from './ownership.ts';
import type { VolumeUses } from './volume-uses.ts';

/** A claim that has no volume yet, or will not have one: told in full, tried again soon. */
export class ClaimFault extends Error {
  /** Of the event that tells it. */
  readonly reason: 'FailedMount' | 'FailedMapVolume';

  constructor(message: string, reason: ClaimFault['reason'] = 'FailedMount') {
    super(message);
    this.reason = reason;
  }
}

export interface ClaimContext {
  readonly api: ApiClient;
  readonly host: VolumeHost;
  readonly node: () => Node;
  /** Where the node has CSI drivers. */
  readonly csi?: CsiVolumes | undefined;
  /** The driver gives its volumes to the pod's group itself (VOLUME_MOUNT_GROUP). */
  readonly givesToGroup?: ((driver: string) => boolean) | undefined;
  readonly events: EventRecorder;
  readonly rootDir: string;
  readonly uses: VolumeUses;
}

function csiDriver(api: ApiClient, name: string): Promise<CSIDriver | undefined> {
  return api.get(CSIDrivers, { name }).catch((error: unknown) => (isNotFound(error) ? undefined : Promise.reject(error as Error)));
}

/** What a CSI driver has mounted becomes the pod's group's, unless the driver says otherwise or does that itself. */
export async function giveCsiToPod(pod: Pod, path: string, volume: { driver: string; fsType?: string | undefined; accessModes: readonly string[]; readOnly: boolean; context: Pick<ClaimContext, 'api' | 'host' | 'givesToGroup'> }): Promise<void> {
  const { api, host, givesToGroup } = volume.context;
  if (pod.spec?.securityContext?.fsGroup === undefined || givesToGroup?.(volume.driver)) return;
  if (followsFsGroup(await csiDriver(api, volume.driver), volume)) await giveToPod(host, path, { pod, readOnly: volume.readOnly });
}

function fault(volume: string, claimKey: string, problem: string): ClaimFault {
  return new ClaimFault(`Unable to attach or mount volumes: unmounted volumes=[${volume}], unattached volumes=[], failed to process volumes=[${volume}]: error processing PVC ${claimKey}: ${problem}`);
}

/** The claim's volume, once they are bound. Throws ClaimFault before, in the words of upstream's volume manager. */
async function boundVolume(pod: Pod, wanted: PodClaim, { api }: ClaimContext): Promise<{ volume: PersistentVolume; claim: PersistentVolumeClaim }> {
  const namespace = namespaceOf(pod);
  const key = `${namespace}/${wanted.claim}`;
  const failed = (problem: string): ClaimFault => fault(wanted.volume, key, problem);
  let claim: PersistentVolumeClaim;
  try {
    claim = await api.get(PersistentVolumeClaims, { namespace, name: wanted.claim });
  } catch (error) {
    throw failed(`failed to fetch PVC from API server: ${(error as Error).message}`);
  }
  const foreign = wanted.ephemeral ? notOwnClaim(pod, claim) : undefined;
  if (foreign) throw failed(foreign);
  if (claim.metadata?.deletionTimestamp && claim.status?.phase !== 'Bound') throw failed('PVC is being deleted');
  const { volumeName } = claim.spec ?? {};
  if (!volumeName || claim.status?.phase !== 'Bound') throw failed('PVC is not bound');
  let volume: PersistentVolume;
  try {
    volume = await api.get(PersistentVolumes, { name: volumeName });
  } catch (error) {
    throw failed(`failed to fetch PV ${volumeName} from API server: ${(error as Error).message}`);
  }
  const ref = volume.spec?.claimRef;
  if (!ref) throw failed(`found PV object ${volumeName} but it has a nil pvc.Spec.ClaimRef indicating it is not yet bound to the claim`);
  if (ref.uid !== claim.metadata?.uid) throw failed(`found PV object ${volumeName} but its pv.Spec.ClaimRef.UID ${ref.uid ?? ''} does not point to claim.UID ${claim.metadata?.uid ?? ''}`);
  return { volume, claim };
}

/** Containers must use a volume as what it is. */
function checkMode(volume: PersistentVolume, name: string, { mounted, devices }: VolumeUses): void {
  const mode = volume.spec?.volumeMode ?? 'Filesystem';
  const wrong = mounted.has(name) && mode !== 'Filesystem' ? 'volumeMounts' : devices.has(name) && mode !== 'Block' ? 'volumeDevices' : undefined;
  if (wrong) throw new ClaimFault(`Unable to attach or mount volumes: unmounted volumes=[${name}], unattached volumes=[], failed to process volumes=[${name}]: volume ${name} has volumeMode ${mode}, but is specified in ${wrong}`);
}

/** The block device of a claim on the node. Throws what the FailedMapVolume event is to say. */
async function claimDevice(pod: Pod, { volume, claim, readOnly }: { volume: PersistentVolume; claim: PersistentVolumeClaim; readOnly: boolean }, context: ClaimContext): Promise<MountedVolume> {
  const name = volume.metadata?.name ?? '';
  const { spec = {} } = volume;
  const failed = (step: string, problem: string): ClaimFault => new ClaimFault(`MapVolume.${step} failed for volume "${name}" : ${problem}`, 'FailedMapVolume');
  const mapped = (hostPath: string, plugin: { onNode: string; ofPod: string }): MountedVolume => {
    const said = (where: string): void => context.events.event(Pods, pod, { type: 'Normal', reason: 'SuccessfulMountVolume', message: `MapVolume.MapPodDevice succeeded for volume "${name}" ${where}` });
    said(`globalMapPath "${context.rootDir}/plugins/${plugin.onNode}"`);
    said(`volumeMapPath "${context.rootDir}/pods/${uidOf(pod)}/volumeDevices/${plugin.ofPod}"`);
    return { hostPath, readOnly, device: true };
  };
  if (spec.local) {
    const { path } = spec.local;
    const kind = await context.host.kind(path);
    if (kind !== 'file') throw failed('MapBlockVolume', kind ? `${path} is a directory, not a block device` : `lstat ${path}: no such file or directory`);
    return mapped(path, { onNode: `kubernetes.io~local-volume/volumeDevices/${name}`, ofPod: 'kubernetes.io~local-volume' });
  }
  if (spec.csi && context.csi) return mapped(await context.csi.mount(pod, volume, claim), { onNode: `kubernetes.io/csi/volumeDevices/${name}/dev`, ofPod: 'kubernetes.io~csi' });
  if (spec.csi) throw failed('SetUpDevice', `kubernetes.io/csi: blockMapper.SetUpDevice failed to get CSI client: driver name ${spec.csi.driver} not found in the list of registered CSI drivers`);
  throw failed('FindMapperPluginBySpec', 'failed to find BlockVolumeMapper plugin. Volume plugin is nil.');
}

/** Where the volume of a claim lies on the node. Throws what the FailedMount event is to say. */
export async function claimVolume(pod: Pod, wanted: PodClaim, context: ClaimContext): Promise<MountedVolume> {
  const { volume, claim } = await boundVolume(pod, wanted, context);
  const { metadata, spec = {} } = volume;
  const { host } = context;
  const name = metadata?.name ?? '';
  const { readOnly } = wanted;
  checkMode(volume, wanted.volume, context.uses);
  const isBlock = spec.volumeMode === 'Block';
  const required = spec.nodeAffinity?.required;
  if (required && !nodeMatches(required, context.node())) throw new ClaimFault(`${isBlock ? 'MapVolume' : 'MountVolume'}.NodeAffinity check failed for volume "${name}" : no matching NodeSelectorTerms`, isBlock ? 'FailedMapVolume' : 'FailedMount');
  if (isBlock) return claimDevice(pod, { volume, claim, readOnly }, context);
  if (spec.hostPath) {
    const { path, type = '' } = spec.hostPath;
    const found = await host.kind(path);
    // A directory made for one claim belongs to whoever runs in its pods.
    if (!found && (type === '' || type === 'DirectoryOrCreate')) await host.makeDir(path, metadata?.annotations?.[volumeAnnotations.provisionedBy] === localProvisioner ? 0o777 : 0o755);
    else if (!found || (found === 'file' && type.startsWith('Directory'))) throw new ClaimFault(`MountVolume.SetUp failed for volume "${name}" : hostPath type check failed: ${path} is not a ${type.startsWith('File') ? 'file' : 'directory'}`);
    return { hostPath: path, readOnly };
  }
  if (spec.local) {
    if (!(await host.kind(spec.local.path))) throw new ClaimFault(`MountVolume.NewMounter initialization failed for volume "${name}" : path "${spec.local.path}" does not exist`);
    if (!readOnly) await giveToPod(host, spec.local.path, { pod, readOnly });
    return { hostPath: spec.local.path, readOnly };
  }
  if (spec.csi && context.csi) {
    const hostPath = await context.csi.mount(pod, volume, claim);
    await giveCsiToPod(pod, hostPath, { driver: spec.csi.driver, fsType: spec.csi.fsType, accessModes: spec.accessModes ?? [], readOnly: spec.csi.readOnly ?? false, context });
    return { hostPath, readOnly };
  }
  if (spec.csi) throw new ClaimFault(`MountVolume.MountDevice failed for volume "${name}" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${spec.csi.driver} not found in the list of registered CSI drivers`);
  throw new ClaimFault(`Unable to attach or mount volumes: unmounted volumes=[${wanted.volume}], unattached volumes=[], failed to process volumes=[${wanted.volume}]: failed to get Plugin from volumeSpec for volume "${name}" err=no volume plugin matched`);
}
