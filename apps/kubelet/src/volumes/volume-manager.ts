import type { ConfigMap, EmptyDirVolumeSource, KeyToPath, Node, Pod, Secret, Volume, VolumeProjection } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import type { ApiClient, EventRecorder } from '@orrery/client';
import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import type { DirectoryAttributes, VolumeHost } from '@orrery/cri';
import { CsiFault, type CsiVolumes } from '../csi/csi-volumes.ts';
import { ConfigFault } from '../env/environment.ts';
import type { FieldContext } from '../env/field-values.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { ClaimFault, claimVolume, giveCsiToPod } from './claim-volume.ts';
import type { TokenManager } from './token-manager.ts';
import { prepareHostPath } from './host-path.ts';
import { type VolumeOwners, ownedDirectory, ownedFile, volumeOwners } from './ownership.ts';
import { type VolumeFiles, addDownwardFiles, addKeyedFiles } from './volume-files.ts';
import { type VolumeUses, volumeUses } from './volume-uses.ts';

/** What volumes of one pod are made from. */
export interface PodObjects {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
}

export interface MountedVolume {
  readonly hostPath: string;
  readonly readOnly: boolean;
  /** `hostPath` is a block device. */
  readonly device?: boolean;
  /** An image mounted as a volume instead of a path. */
  readonly image?: { readonly reference: string; readonly pullPolicy: string | undefined };
}

/** A volume that cannot be had now; the message is that of the FailedMount event. */
export class VolumeFault extends Error {}

interface Context {
  readonly pod: Pod;
  readonly objects: PodObjects;
  readonly fields: FieldContext;
  readonly uses: VolumeUses;
  readonly owners: VolumeOwners;
}

/** An emptyDir in memory, and how much it may hold. */
function memoryMedium({ medium, sizeLimit }: EmptyDirVolumeSource): Pick<DirectoryAttributes, 'tmpfs'> {
  if (medium !== 'Memory') return {};
  const sizeBytes = sizeLimit === undefined ? 0 : quantityValue(parseQuantity(sizeLimit));
  return { tmpfs: sizeBytes > 0 ? { sizeBytes } : {} };
}

/** Volumes whose content may change while the pod runs. */
function isLive(volume: Volume): boolean {
  return Boolean(volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected);
}

/** What a volume, or a source of a projected one, says of the object that it shows. */
interface KeyedVolume {
  readonly name?: string;
  readonly optional?: boolean;
  readonly items?: readonly KeyToPath[];
}

async function addConfigMap(files: VolumeFiles, { objects }: Context, { name = '', optional = false, items }: KeyedVolume, defaultMode = 0o644): Promise<void> {
  const object = await objects.configMap(name);
  if (!object && !optional) throw new ConfigFault(`configmap "${name}" not found`);
  addKeyedFiles(files, object, { kind: 'config', items, optional, defaultMode });
}

async function addSecret(files: VolumeFiles, { objects }: Context, { name = '', optional = false, items }: KeyedVolume, defaultMode = 0o644): Promise<void> {
  const object = await objects.secret(name);
  if (!object && !optional) throw new ConfigFault(`secret "${name}" not found`);
  addKeyedFiles(files, object, { kind: 'secret', items, optional, defaultMode });
}

export interface VolumeManagerOptions {
  readonly api: ApiClient;
  readonly host: VolumeHost;
  readonly tokens: TokenManager;
  readonly rootDir: string;
  /** The node as the API server last showed it. */
  readonly node: () => Node;
  readonly csi?: CsiVolumes | undefined;
  readonly events: EventRecorder;
  /** The CSI driver gives its volumes to the pod's group itself. */
  readonly givesToGroup?: ((driver: string) => boolean) | undefined;
}

/** Makes the volumes of pods on the node and keeps their content up to date. */
export class VolumeManager {
  private readonly options: VolumeManagerOptions;

  constructor(options: VolumeManagerOptions) {
    this.options = options;
  }

  podDir(uid: string): string {
    return `${this.options.rootDir}/pods/${uid}`;
  }

  /** Makes every volume that the pod's containers use. Throws VolumeFault or ClaimFault for the first that cannot be made. */
  async mount(pod: Pod, objects: PodObjects, fields: FieldContext): Promise<Map<string, MountedVolume>> {
    const mounted = new Map<string, MountedVolume>();
    const uses = volumeUses(pod);
    const context: Context = { pod, objects, fields, uses, owners: volumeOwners(pod) };
    for (const volume of pod.spec?.volumes ?? []) if (uses.mounted.has(volume.name) || uses.devices.has(volume.name)) mounted.set(volume.name, await this.guarded(volume, context));
    return mounted;
  }

  /** Writes the content of volumes that follow API objects again. */
  async refresh(pod: Pod, objects: PodObjects, fields: FieldContext): Promise<void> {
    const uses = volumeUses(pod);
    const context: Context = { pod, objects, fields, uses, owners: volumeOwners(pod) };
    for (const volume of pod.spec?.volumes ?? []) if (isLive(volume) && uses.mounted.has(volume.name)) await this.guarded(volume, context);
  }

  /** Unmounts the volumes of a pod that is gone. */
  async unmount(uid: string): Promise<void> {
    await this.options.csi?.unmount(uid);
  }

  /** Removes everything of a pod that is gone. */
  async remove(uid: string): Promise<void> {
    this.options.tokens.forget(uid);
    // A volume that is still mounted must not be taken for files of the pod.
    await this.unmount(uid);
    await this.options.host.remove(this.podDir(uid));
  }

  /** Where the pod's emptyDir volumes lie. */
  emptyDirs(pod: Pod): { name: string; path: string; inMemory: boolean }[] {
    return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => (emptyDir ? [{ name, path: this.path(pod, 'empty-dir', name), inMemory: emptyDir.medium === 'Memory' }] : []));
  }

  private async guarded(volume: Volume, context: Context): Promise<MountedVolume> {
    try {
      return await this.make(volume, context);
    } catch (error) {
      if (error instanceof ClaimFault || error instanceof CsiFault) throw error;
      throw new VolumeFault(`MountVolume.SetUp failed for volume "${volume.name}" : ${(error as Error).message}`);
    }
  }

  private path(pod: Pod, plugin: string, name: string): string {
    return `${this.podDir(uidOf(pod))}/volumes/kubernetes.io~${plugin}/${name}`;
  }

  private async make(volume: Volume, context: Context): Promise<MountedVolume> {
    const { pod, owners } = context;
    const { host } = this.options;
    if (volume.emptyDir) {
      const hostPath = this.path(pod, 'empty-dir', volume.name);
      await host.makeDir(hostPath, ownedDirectory({ mode: 0o777, ...memoryMedium(volume.emptyDir) }, owners));
      return { hostPath, readOnly: false };
    }
    if (volume.hostPath) {
      await prepareHostPath(host, volume.hostPath);
      return { hostPath: volume.hostPath.path, readOnly: false };
    }
    if (volume.image) return { hostPath: '', readOnly: true, image: { reference: volume.image.reference ?? '', pullPolicy: volume.image.pullPolicy } };
    if (volume.csi && this.options.csi) {
      const { driver, fsType, readOnly = false } = volume.csi;
      const hostPath = await this.options.csi.mountInline(pod, volume.name, volume.csi);
      await giveCsiToPod(pod, hostPath, { driver, fsType, accessModes: ['ReadWriteOnce'], readOnly, context: this.options });
      return { hostPath, readOnly };
    }
    const claim = (volume.persistentVolumeClaim ?? volume.ephemeral) && podClaims(pod).find((one) => one.volume === volume.name);
    if (claim) return claimVolume(pod, claim, { ...this.options, uses: context.uses });
    const written = await this.files(volume, context);
    if (!written) throw new Error(`no volume plugin matched name: ${Object.keys(volume).find((key) => key !== 'name') ?? 'none'}`);
    const hostPath = this.path(pod, written.plugin, volume.name);
    const { files } = written;
    if (owners.fsGroup !== undefined) for (const [path, file] of files) files.set(path, ownedFile(file, owners));
    // Secrets never touch a disk.
    const directory = written.plugin === 'configmap' ? { mode: 0o777 } : { mode: 0o1777, tmpfs: {} };
    await host.writeVolume(hostPath, files, ownedDirectory(directory, owners));
    return { hostPath, readOnly: true };
  }

  private async files(volume: Volume, context: Context): Promise<{ plugin: string; files: VolumeFiles } | undefined> {
    const { configMap, secret, downwardAPI, projected } = volume;
    const files: VolumeFiles = new Map();
    if (configMap) {
      await addConfigMap(files, context, configMap, configMap.defaultMode);
      return { plugin: 'configmap', files };
    }
    if (secret) {
      await addSecret(files, context, { ...secret, name: secret.secretName }, secret.defaultMode);
      return { plugin: 'secret', files };
    }
    if (downwardAPI) {
      const { items, defaultMode = 0o644 } = downwardAPI;
      addDownwardFiles(files, context.pod, { items, defaultMode, fields: context.fields });
      return { plugin: 'downward-api', files };
    }
    if (!projected) return undefined;
    for (const source of projected.sources ?? []) await this.project(files, context, source, projected.defaultMode);
    return { plugin: 'projected', files };
  }

  /** Undefined where nothing has to be waited for. */
  private project(files: VolumeFiles, context: Context, source: VolumeProjection, defaultMode = 0o644): Promise<void> | undefined {
    const { configMap, secret, downwardAPI, serviceAccountToken } = source;
    if (configMap) return addConfigMap(files, context, configMap, defaultMode);
    if (secret) return addSecret(files, context, secret, defaultMode);
    if (downwardAPI) return void addDownwardFiles(files, context.pod, { items: downwardAPI.items, defaultMode, fields: context.fields });
    if (serviceAccountToken) {
      const { path, audience = '', expirationSeconds = 3600 } = serviceAccountToken;
      const { fsUser, fsGroup } = context.owners;
      return this.options.tokens.token(context.pod, { audience, expirationSeconds }).then((token) => {
        const mode = fsUser === undefined && fsGroup === undefined ? defaultMode : 0o600;
        files.set(path, fsUser === undefined ? { bytes: token, mode } : { bytes: token, mode, uid: fsUser });
      });
    }
    throw new Error(`no volume plugin matched name: projected ${Object.keys(source)[0] ?? ''}`);
  }
}
