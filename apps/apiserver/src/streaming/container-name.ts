import type { Pod } from '@orrery/api/types';
import { badRequest } from '@orrery/errors';

/** The container a streaming request means: the one it names, or the only one. Throws 400 in upstream's words. */
export function containerName(pod: Pod, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? { containers: [] };
  const name = pod.metadata?.name ?? '';
  if (asked) {
    if ([...containers, ...initContainers, ...ephemeralContainers].some((container) => container.name === asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  if (containers.length === 1) return containers[0]?.name ?? '';
  if (!containers.length) throw badRequest(`a container name must be specified for pod ${name}`);
  const names = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name).join(' ');
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names}]`);
}
