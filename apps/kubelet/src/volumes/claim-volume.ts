import { CSIDrivers, PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { CSIDriver, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { type PodClaim, localProvisioner, notOwnClaim, volumeAnnotations } from '@orrery/api/volumes';
import type { ApiClient } from '@orrery/client';
import type { VolumeHost } from '@orrery/cri';
import { isNotFound } from '@orrery/errors';
import type { CsiVolumes } from '../csi/csi-volumes.ts';
import { nodeMatches } from '../pods/admission.ts';
import { namespaceOf } from '../pods/pod-spec.ts';
import { followsFsGroup, giveToPod } from './ownership.ts';

/** A claim that has no volume yet, or will not have one: told in full, tried again soon. */
export class ClaimFault extends Error {}

export interface ClaimContext {
  readonly api: ApiClient;
  readonly host: VolumeHost;
  readonly node: () => Node;
  /** Where the node has CSI drivers. */
  readonly csi?: CsiVolumes | undefined;
  /** The driver gives its volumes to the pod's group itself (VOLUME_MOUNT_GROUP). */
  readonly givesToGroup?: ((driver: string) => boolean) | undefined;
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

/** Where the volume of a claim lies on the node. Throws what the FailedMount event is to say. */
export async function claimVolume(pod: Pod, wanted: PodClaim, context: ClaimContext): Promise<{ hostPath: string; readOnly: boolean }> {
  const { volume, claim } = await boundVolume(pod, wanted, context);
  const { metadata, spec = {} } = volume;
  const { host } = context;
  const name = metadata?.name ?? '';
  const { readOnly } = wanted;
  if (spec.volumeMode === 'Block') throw new ClaimFault(`Unable to attach or mount volumes: unmounted volumes=[${wanted.volume}], unattached volumes=[], failed to process volumes=[]: volume ${wanted.volume} has volumeMode Block, but is specified in volumeMounts`);
  const required = spec.nodeAffinity?.required;
  if (required && !nodeMatches(required, context.node())) throw new ClaimFault(`MountVolume.NodeAffinity check failed for volume "${name}" : no matching NodeSelectorTerms`);
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
