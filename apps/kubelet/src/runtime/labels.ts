import type { Container, Pod } from '@orrery/api/types';

/** Labels and annotations the kubelet puts on sandboxes and containers, named as upstream names them. */
export const podNameLabel = 'io.kubernetes.pod.name';
export const podNamespaceLabel = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
export const containerNameLabel = 'io.kubernetes.container.name';
export const containerHashAnnotation = 'io.kubernetes.container.hash';
export const restartCountAnnotation = 'io.kubernetes.container.restartCount';
export const terminationPathAnnotation = 'io.kubernetes.container.terminationMessagePath';
export const terminationPolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
export const gracePeriodAnnotation = 'io.kubernetes.pod.terminationGracePeriod';
export const deletionGraceAnnotation = 'io.kubernetes.pod.deletionGracePeriod';

export function podLabels(pod: Pod): Record<string, string> {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return { [podNameLabel]: name, [podNamespaceLabel]: namespace, [podUidLabel]: uid };
}

/** Of the container that was asked for last: pods of one template come one after the other. */
let latest: { readonly name: string; readonly image: string; readonly hash: string } | undefined;

/** FNV-1a of the fields whose change means the container has to be made anew. */
export function containerHash({ name, image = '' }: Pick<Container, 'name' | 'image'>): string {
  if (latest?.name === name && latest.image === image) return latest.hash;
  const text = `${name}\0${image}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  latest = { name, image, hash: hash.toString(16) };
  return latest.hash;
}
