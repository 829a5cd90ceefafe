import type { Pod } from '@orrery/api/types';
import { everyContainer } from '../pods/pod-spec.ts';

export interface References {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}

const none: ReadonlySet<string> = new Set();

/** The config maps and secrets of its namespace that a pod names, in volumes, environment and pull secrets. */
export function referencedObjects(pod: Pod): References {
  let configMaps: Set<string> | undefined;
  let secrets: Set<string> | undefined;
  const addConfigMap = (name: string | undefined): void => void (name && (configMaps ??= new Set()).add(name));
  const addSecret = (name: string | undefined): void => void (name && (secrets ??= new Set()).add(name));
  for (const volume of pod.spec?.volumes ?? []) {
    addConfigMap(volume.configMap?.name);
    addSecret(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      addConfigMap(source.configMap?.name);
      addSecret(source.secret?.name);
    }
  }
  for (const container of everyContainer(pod)) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      addConfigMap(configMapRef?.name);
      addSecret(secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      addConfigMap(valueFrom?.configMapKeyRef?.name);
      addSecret(valueFrom?.secretKeyRef?.name);
    }
  }
  for (const { name } of pod.spec?.imagePullSecrets ?? []) addSecret(name);
  return { configMaps: configMaps ?? none, secrets: secrets ?? none };
}
