import { CSIDrivers, CSINodes, CSIStorageCapacities, PersistentVolumeClaims, PersistentVolumes, StorageClasses } from '@orrery/api';
import type { CSIDriver, CSINode, CSIStorageCapacity, PersistentVolume, PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import { volumeClass } from '@orrery/api/volumes';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { Informer, InformerFactory } from '@orrery/client';
import type { PodInfo } from '../cache/pod-info.ts';
import type { ClusterEvent } from '../framework/types.ts';

/** What plugins know about volumes. Objects are shared. */
export interface ClusterVolumes {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  /** The volumes of a class; `''` for those without. */
  ofClass(name: string): Iterable<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
  csiNode(name: string): CSINode | undefined;
  /** Another number after every change of a CSINode. */
  csiNodesVersion(): number;
  csiDriver(name: string): CSIDriver | undefined;
  /** What is told to be left for volumes of a class, by topology. */
  capacitiesOf(className: string): Iterable<CSIStorageCapacity>;
  /** Whether a pod still waits for a node. */
  isPending(pod: PodInfo): boolean;
  /** Calls back after every change of a claim or volume. Returns what ends that. */
  onChange(changed: () => void): () => void;
}

const classIndex = 'class';

/** Keeps claims, volumes, classes and CSI nodes at hand, and tells the queue when they change. */
export function watchVolumes(options: { informers: InformerFactory; isPending: (pod: PodInfo) => boolean; tell: (event: ClusterEvent) => void }): ClusterVolumes {
  const { informers, isPending, tell } = options;
  const claims = informers.informer(PersistentVolumeClaims);
  const volumes = informers.informer(PersistentVolumes);
  const classes = informers.informer(StorageClasses);
  const csiNodes = informers.informer(CSINodes);
  const csiDrivers = informers.informer(CSIDrivers);
  const capacities = informers.informer(CSIStorageCapacities);
  capacities.addIndexer(classIndex, ({ storageClassName = '' }) => [storageClassName]);
  volumes.addIndexer(classIndex, (volume) => [volumeClass(volume)]);
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const follow = <T extends KubeObject>(informer: Informer<T>, { kind }: ResourceRef<T>): void => {
    const resource = kind as ClusterEvent['resource'];
    informer.addHandlers({
      add: (object) => tell({ resource, action: 'Add', object }),
      update: (object, old) => tell({ resource, action: 'Update', object, old }),
      delete: (object) => tell({ resource, action: 'Delete', object }),
    });
  };
  follow(claims, PersistentVolumeClaims);
  follow(volumes, PersistentVolumes);
  follow(classes, StorageClasses);
  follow(csiNodes, CSINodes);
  follow(csiDrivers, CSIDrivers);
  follow(capacities, CSIStorageCapacities);
  let csiNodesVersion = 0;
  const csiNodeChanged = (): void => void csiNodesVersion++;
  csiNodes.addHandlers({ add: csiNodeChanged, update: csiNodeChanged, delete: csiNodeChanged });
  claims.addHandlers({ add: changed, update: changed, delete: changed });
  volumes.addHandlers({ add: changed, update: changed, delete: changed });
  return {
    claim: (key) => claims.get(key),
    volume: (name) => volumes.get(name),
    ofClass: (name) => volumes.byIndex(classIndex, name),
    storageClass: (name) => classes.get(name),
    csiNode: (name) => csiNodes.get(name),
    csiNodesVersion: () => csiNodesVersion,
    csiDriver: (name) => csiDrivers.get(name),
    capacitiesOf: (className) => capacities.byIndex(classIndex, className),
    isPending,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

