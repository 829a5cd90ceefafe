import type { Container, PodSpec } from '@orrery/api/types';

/** All containers in the order that checks report them. */
export function allContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...((spec.ephemeralContainers ?? []) as Container[])];
}

export const quoted = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');

/** `container "a"` or `containers "a", "b"`. */
export function containersText(names: readonly string[]): string {
  return `${names.length === 1 ? 'container' : 'containers'} ${quoted(names)}`;
}

/** The names of the containers for which `bad` holds. */
export function failing(spec: PodSpec, bad: (container: Container) => boolean): string[] {
  return allContainers(spec)
    .filter(bad)
    .map((container) => container.name);
}

export const isWindows = (spec: PodSpec): boolean => spec.os?.name === 'windows';
