import type { Container, Volume, VolumeMount } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkDescendingPath } from './path-validation.ts';

type Volumes = ReadonlyMap<string, Volume>;

const propagations = ['Bidirectional', 'HostToContainer', 'None'];
const recursions = ['Disabled', 'Enabled', 'IfPossible'];

/** Upstream reports these below the list, without the index. */
function checkMountOptions(mount: VolumeMount, { list, item, privileged }: { list: FieldPath; item: FieldPath; privileged: boolean }): void {
  if (mount.subPath) checkDescendingPath(mount.subPath, list.child('subPath'));
  if (mount.subPathExpr) {
    if (mount.subPath) item.child('subPathExpr').invalid(mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
    checkDescendingPath(mount.subPathExpr, list.child('subPathExpr'));
  }
  const propagation = list.child('mountPropagation');
  if (mount.mountPropagation !== undefined && !propagations.includes(mount.mountPropagation)) propagation.notSupported(mount.mountPropagation, propagations);
  if (mount.mountPropagation === 'Bidirectional' && !privileged) {
    propagation.forbidden('Bidirectional mount propagation is available only to privileged containers');
  }
  const recursive = mount.recursiveReadOnly;
  if (recursive === undefined || recursive === 'Disabled') return;
  const path = list.child('recursiveReadOnly');
  if (!recursions.includes(recursive)) return path.notSupported(recursive, recursions);
  if (!mount.readOnly) path.forbidden('may only be specified when readOnly is true');
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None') path.forbidden('may only be specified when mountPropagation is None or not specified');
}

export function checkMounts(container: Container, { at, volumes }: { at: FieldPath; volumes: Volumes }): void {
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  for (const [i, mount] of indexed(container.volumeMounts)) {
    const path = at.at(i);
    const { name = '', mountPath = '' } = mount;
    if (!name) path.child('name').required();
    if (!volumes.has(name)) path.child('name').notFound(name);
    if (!mountPath) path.child('mountPath').required();
    if (paths.has(mountPath)) path.child('mountPath').invalid(mountPath, 'must be unique');
    paths.add(mountPath);
    if (devices.some((device) => (device.name ?? '') === name)) path.child('name').invalid(name, 'must not already exist in volumeDevices');
    if (devices.some((device) => (device.devicePath ?? '') === mountPath)) path.child('mountPath').invalid(mountPath, 'must not already exist as a path in volumeDevices');
    checkMountOptions(mount, { list: at, item: path, privileged: container.securityContext?.privileged ?? false });
  }
}

function checkDeviceName(name: string, { at, volumes, seen }: { at: FieldPath; volumes: Volumes; seen: ReadonlySet<string> }): void {
  const volume = volumes.get(name);
  if (!name) at.required();
  if (seen.has(name)) at.invalid(name, 'must be unique');
  if (!volume) at.notFound(name);
  else if (!volume.persistentVolumeClaim && !volume.ephemeral) at.invalid(name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode');
}

export function checkDevices(container: Container, { at, volumes }: { at: FieldPath; volumes: Volumes }): void {
  const paths = new Set<string>();
  const names = new Set<string>();
  const mounts = container.volumeMounts ?? [];
  for (const [i, { name = '', devicePath = '' }] of indexed(container.volumeDevices)) {
    const nameAt = at.at(i).child('name');
    const pathAt = at.at(i).child('devicePath');
    checkDeviceName(name, { at: nameAt, volumes, seen: names });
    if (!devicePath) pathAt.required();
    if (paths.has(devicePath)) pathAt.invalid(devicePath, 'must be unique');
    if (devicePath.split('/').includes('..')) pathAt.invalid(devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.some((mount) => (mount.name ?? '') === name)) nameAt.invalid(name, 'must not already exist in volumeMounts');
    if (mounts.some((mount) => (mount.mountPath ?? '') === devicePath)) pathAt.invalid(devicePath, 'must not already exist as a path in volumeMounts');
    if (name) names.add(name);
  }
}
