import type { ConfigMap, Pod, Secret } from '@orrery/api/types';
import type { KubeletSources } from '../sources/kubelet-sources.ts';
import type { ObjectHandle } from '../sources/object-cache.ts';
import type { PodObjects } from '../volumes/volume-manager.ts';
import { referencedObjects } from '../volumes/volume-references.ts';
import { namespaceOf } from './pod-spec.ts';

/** Watches on what a pod names, held for as long as the pod is on the node. */
export class HeldObjects implements PodObjects {
  private readonly configMaps = new Map<string, ObjectHandle<ConfigMap>>();
  private readonly secrets = new Map<string, ObjectHandle<Secret>>();

  constructor(pod: Pod, sources: KubeletSources, changed: () => void) {
    const namespace = namespaceOf(pod);
    const names = referencedObjects(pod);
    for (const name of names.configMaps) this.configMaps.set(name, sources.configMaps.acquire({ namespace, name }, changed));
    for (const name of names.secrets) this.secrets.set(name, sources.secrets.acquire({ namespace, name }, changed));
  }

  async configMap(name: string): Promise<ConfigMap | undefined> {
    return this.configMaps.get(name)?.get();
  }

  async secret(name: string): Promise<Secret | undefined> {
    return this.secrets.get(name)?.get();
  }

  release(): void {
    for (const handle of [...this.configMaps.values(), ...this.secrets.values()]) handle.release();
    this.configMaps.clear();
    this.secrets.clear();
  }
}
