import type { ConfigMap, Pod, Secret } from '@orrery/api/types';
import type { KubeletSources } from '../sources/kubelet-sources.ts';
import type { ObjectHandle } from '../sources/object-cache.ts';
import type { PodObjects } from '../volumes/volume-manager.ts';
import { referencedObjects } from '../volumes/volume-references.ts';
import { namespaceOf } from './pod-spec.ts';

/** Of an object that the pod did not name when it came. */
const unnamed = Promise.resolve(undefined);

/** Watches on what a pod names, held for as long as the pod is on the node. */
export class HeldObjects implements PodObjects {
  /** Absent where nothing is named, as in most pods. */
  private configMaps: Map<string, ObjectHandle<ConfigMap>> | undefined;
  private secrets: Map<string, ObjectHandle<Secret>> | undefined;

  constructor(pod: Pod, sources: KubeletSources, changed: () => void) {
    const namespace = namespaceOf(pod);
    const names = referencedObjects(pod);
    for (const name of names.configMaps) (this.configMaps ??= new Map()).set(name, sources.configMaps.acquire({ namespace, name }, changed));
    for (const name of names.secrets) (this.secrets ??= new Map()).set(name, sources.secrets.acquire({ namespace, name }, changed));
  }

  configMap(name: string): Promise<ConfigMap | undefined> {
    return this.configMaps?.get(name)?.get() ?? unnamed;
  }

  secret(name: string): Promise<Secret | undefined> {
    return this.secrets?.get(name)?.get() ?? unnamed;
  }

  release(): void {
    for (const handles of [this.configMaps, this.secrets]) for (const handle of handles?.values() ?? []) handle.release();
    this.configMaps = undefined;
    this.secrets = undefined;
  }
}
