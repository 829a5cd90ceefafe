import { PersistentVolumeClaims, PersistentVolumes, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ObjectReader } from '../pipeline/index.ts';
import { podReferences, volumeSecretKeys } from './pod-references.ts';

/** Which pods are on which node: what a node may see follows from its pods. */
export class NodeIndex {
  private readonly pods = new Map<string, Map<string, Pod>>();
  private readonly read: ObjectReader;

  constructor(read: ObjectReader) {
    this.read = read;
  }

  follow(): () => void {
    const stop = this.read.onChange(Pods, ({ object, old }) => this.setPod(object, old));
    for (const pod of this.read.list(Pods)) this.setPod(pod, undefined);
    return stop;
  }

  setPod(pod: Pod | undefined, old: Pod | undefined): void {
    const { metadata } = (pod ?? old) as Pod;
    const key = `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
    const before = old?.spec?.nodeName;
    const node = pod?.spec?.nodeName;
    if (before && before !== node) this.remove(before, key);
    if (!pod || !node) return;
    const pods = this.pods.get(node);
    if (pods) pods.set(key, pod);
    else this.pods.set(node, new Map([[key, pod]]));
  }

  hasPod(node: string, key: { namespace: string; name: string }): boolean {
    return this.pods.get(node)?.has(`${key.namespace}/${key.name}`) ?? false;
  }

  /** Does a pod of the node refer to the object, itself or through its claims and volumes? */
  refers(node: string, what: 'secrets' | 'configmaps' | 'persistentvolumeclaims' | 'resourceclaims' | 'serviceaccounts', key: { namespace: string; name: string }): boolean {
    for (const pod of this.pods.get(node)?.values() ?? []) {
      const refs = podReferences(pod);
      if (pod.metadata?.namespace === key.namespace) {
        if (what === 'secrets' && refs.secrets.has(key.name)) return true;
        if (what === 'configmaps' && refs.configMaps.has(key.name)) return true;
        if (what === 'persistentvolumeclaims' && refs.claims.has(key.name)) return true;
        if (what === 'resourceclaims' && refs.resourceClaims.has(key.name)) return true;
        if (what === 'serviceaccounts' && refs.serviceAccount === key.name) return true;
      }
      if (what === 'secrets' && refs.claims.size && this.volumesOf(pod).some((name) => this.volumeNeeds(name, key))) return true;
    }
    return false;
  }

  /** Is the volume bound to a claim of one of the node's pods? */
  usesVolume(node: string, volume: string): boolean {
    for (const pod of this.pods.get(node)?.values() ?? []) if (this.volumesOf(pod).includes(volume)) return true;
    return false;
  }

  private volumesOf(pod: Pod): string[] {
    const namespace = pod.metadata?.namespace ?? '';
    return [...podReferences(pod).claims].flatMap((name) => {
      const volume = this.read.get(PersistentVolumeClaims, { namespace, name })?.spec?.volumeName;
      return volume ? [volume] : [];
    });
  }

  private volumeNeeds(volume: string, secret: { namespace: string; name: string }): boolean {
    const object = this.read.get(PersistentVolumes, { name: volume });
    return object !== undefined && volumeSecretKeys(object).includes(`${secret.namespace}/${secret.name}`);
  }

  private remove(node: string, key: string): void {
    const pods = this.pods.get(node);
    pods?.delete(key);
    if (pods?.size === 0) this.pods.delete(node);
  }
}
