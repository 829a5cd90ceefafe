import { formatQuantity, parseQuantity, quantityOf } from '@orrery/apimachinery';
import { initContainers, mainContainers } from '../pods/pod-spec.ts';
import { type Candidate, amountUsed } from './ranking.ts';
import type { StarvedResource } from './thresholds.ts';

/** As upstream prints amounts: bytes in powers of two, counts as they are. */
export function printed(resource: StarvedResource, amount: number): string {
  const isBytes = resource === 'memory' || resource === 'ephemeral-storage';
  return formatQuantity(quantityOf(Math.trunc(amount), isBytes ? 'BinarySI' : 'DecimalSI'));
}

/** Why a pod is evicted, in upstream's words: what ran out, and which containers use more than they asked for. */
export function evictionMessage(resource: StarvedResource, { pod, containers }: Candidate, missing: { limit: number; available: number } | undefined): string {
  const low = `The node was low on resource: ${resource}. `;
  const threshold = missing ? `Threshold quantity: ${printed(resource, missing.limit)}, available: ${printed(resource, missing.available)}. ` : '';
  const specs = [...initContainers(pod), ...mainContainers(pod)];
  const greedy = containers.flatMap(({ name, use }) => {
    const spec = specs.find((one) => one.name === name);
    if (!spec || resource === 'pids' || resource === 'inodes') return [];
    const request = parseQuantity(spec.resources?.requests?.[resource] ?? '0');
    const used = amountUsed(use, resource);
    if (used * 1e9 <= Number(request.nanos)) return [];
    return [`Container ${name} was using ${printed(resource, used)}, request is ${formatQuantity(request)}, has larger consumption of ${resource}. `];
  });
  return `${low}${threshold}${greedy.join('')}`;
}
