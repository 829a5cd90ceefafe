import { CSIDrivers, PersistentVolumeClaims, PersistentVolumes, Pods } from '@orrery/api';
import type { CSIDriver, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '@orrery/api/types';
import { ephemeralClaimName, notOwnClaim } from '@orrery/api/volumes';
import { keyOf } from '@orrery/client';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { isTerminal } from '../../pods/pod-state.ts';
import { indexPodsByClaim, podsOfClaim } from '../pods-by-claim.ts';
import { type Conflict, type Use, type UsedVolume, VolumeUsers, labelsByVolume, messageOf } from './volume-users.ts';

type Context = ControllerContext<VolumeUsers>;

/** A volume that can be mounted with a label, or could if its driver said so. */
type Labelled = Omit<UsedVolume, 'use'>;

/** Plug-ins without the ability (all but CSI, iSCSI and FC) can never be in conflict. */
function labelled({ csi, fc, iscsi }: NonNullable<PersistentVolume['spec']>): Labelled | undefined {
  if (csi) return { id: `csi/${csi.driver}/${csi.volumeHandle}`, driver: csi.driver };
  if (iscsi) return { id: `iscsi/${iscsi.targetPortal}/${iscsi.iqn}/${iscsi.lun}`, driver: '' };
  if (fc) return { id: `fc/${(fc.wwids ?? fc.targetWWNs ?? []).join()}/${fc.lun ?? ''}`, driver: '' };
  return undefined;
}

/** What is behind a volume of a pod; undefined while its claim is not bound, and for what cannot be labelled by its mount. */
function behind(pod: Pod, volume: Volume, { store }: Pick<Context, 'store'>): Labelled | undefined {
  const { iscsi, fc, name = '' } = volume;
  if (iscsi || fc) return labelled({ ...(iscsi ? { iscsi } : {}), ...(fc ? { fc } : {}) });
  const claimName = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? ephemeralClaimName(pod, name) : undefined);
  if (claimName === undefined) return undefined;
  const claim = store(PersistentVolumeClaims).get(`${pod.metadata?.namespace ?? ''}/${claimName}`);
  if (volume.ephemeral && claim && notOwnClaim(pod, claim)) return undefined;
  const bound = claim?.spec?.volumeName ? store(PersistentVolumes).get(claim.spec.volumeName) : undefined;
  return bound?.spec?.claimRef?.uid === claim?.metadata?.uid ? bound?.spec && labelled(bound.spec) : undefined;
}

/** Whose files are labelled by their mount: what the kubelet does where driver, pod and its policy allow it. */
function useOf(pod: Pod, label: string, isSupported: boolean): Use {
  const asked = pod.spec?.securityContext?.seLinuxChangePolicy ?? 'MountOption';
  return asked === 'Recursive' || !isSupported || !label ? { label: '', policy: 'Recursive' } : { label, policy: 'MountOption' };
}

function report(conflicts: readonly Conflict[], { events, store }: Context): void {
  for (const conflict of conflicts) {
    const pod = store(Pods).get(conflict.pod);
    if (pod) events.event(Pods, pod, { type: 'Normal', reason: `${conflict.property}Conflict`, message: messageOf(conflict) });
  }
}

function tellConflicts(users: VolumeUsers, { metrics }: Context['env']): void {
  metrics.collect('selinux_warning_controller_selinux_volume_conflict', { type: 'gauge', help: 'Conflict between two Pods using the same volume' }, () =>
    [...users.conflicts()].map(({ property, pod, value, other, otherValue }) => {
      const [namespace = '', name = ''] = pod.split('/');
      const [otherNamespace = '', otherName = ''] = other.split('/');
      return { labels: { property, pod1_namespace: namespace, pod1_name: name, pod1_value: value, pod2_namespace: otherNamespace, pod2_name: otherName, pod2_value: otherValue }, value: 1 };
    }));
}

const isSupportedBy = (driver: CSIDriver | undefined): boolean => driver?.spec?.seLinuxMount === true;

/**
 * Warns of pods that may use one volume with different SELinux labels, as upstream's does: by Events and a metric alone, wherever the pods
 * run. It changes nothing, and is meant by its name only. Nodes of this project have no SELinux: it is for those who are to move to some that have.
 */
export const selinuxWarningController = defineController<Pod, VolumeUsers>({
  name: 'selinux-warning-controller',
  queue: 'selinux_warning',
  eventSource: 'selinux_warning',
  watches: [
    // What matters of a pod cannot change, but that it ends.
    watch<Pod, VolumeUsers>(Pods, ({ object, old, gone }) => (gone || !old || isTerminal(object) !== isTerminal(old) ? [keyOf(object)] : [])),
    watch<PersistentVolumeClaim, VolumeUsers>(PersistentVolumeClaims, ({ object: { metadata = {}, spec }, old }, context) =>
      (!spec?.volumeName || spec.volumeName === old?.spec?.volumeName ? [] : [...podsOfClaim(context, metadata)].map(keyOf))),
    watch<PersistentVolume, VolumeUsers>(PersistentVolumes, ({ object, old }, context) => {
      const ref = object.spec?.claimRef;
      return !ref?.uid || ref.uid === old?.spec?.claimRef?.uid ? [] : [...podsOfClaim(context, ref)].map(keyOf);
    }),
    watch<CSIDriver, VolumeUsers>(CSIDrivers, ({ object, old, gone }, { state }) => (isSupportedBy(old) === (!gone && isSupportedBy(object)) ? [] : state.usersOf(object.metadata?.name ?? ''))),
  ],
  setup({ env, store }) {
    indexPodsByClaim({ store });
    const users = new VolumeUsers();
    tellConflicts(users, env);
    return users;
  },
  async reconcile(key, context) {
    const { events, state, store } = context;
    const pod = store(Pods).get(key);
    if (!pod?.spec || isTerminal(pod)) return void state.set(key, []);
    const used: UsedVolume[] = [];
    for (const [name, labels] of labelsByVolume(pod.spec)) {
      const volume = pod.spec.volumes?.find((one) => one.name === name);
      if (!volume) continue;
      if (labels.size > 1) {
        events.event(Pods, pod, { type: 'Warning', reason: 'MultipleSELinuxLabels', message: `Volume "${name}" is mounted twice with different SELinux labels inside this pod` });
        continue;
      }
      const found = behind(pod, volume, context);
      const [label = ''] = labels;
      if (found) used.push({ ...found, use: useOf(pod, label, found.driver === '' || isSupportedBy(store(CSIDrivers).get(found.driver))) });
    }
    report(state.set(key, used), context);
  },
});
