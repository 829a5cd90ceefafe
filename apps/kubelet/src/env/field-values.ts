import type { Container, Pod } from '@orrery/api/types';
import { parseQuantity, quantityAsNumber } from '@orrery/apimachinery';

/** Addresses and the like that are known only when a container is about to start. */
export interface FieldContext {
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  /** What a container without limits may use at most. */
  readonly allocatable: Readonly<Record<string, string>>;
}

function escaped(value: string): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (char) => (char.length === 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char));
}

function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${escaped(map[key] ?? '')}`)
    .join('\n');
}

/** The value of a downward API field; undefined for a path that does not exist. */
export function fieldValue(pod: Pod, fieldPath: string, context: Pick<FieldContext, 'podIps' | 'hostIps'>): string | undefined {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath);
  if (subscript) return pod.metadata?.[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata?.name ?? '';
    case 'metadata.namespace':
      return pod.metadata?.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata?.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata?.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata?.annotations);
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return context.hostIps[0] ?? '';
    case 'status.hostIPs':
      return context.hostIps.join(',');
    case 'status.podIP':
      return context.podIps[0] ?? '';
    case 'status.podIPs':
      return context.podIps.join(',');
    default:
      return undefined;
  }
}

/** The value of `limits.cpu` and the like in units of the divisor, rounded up; the node's allocatable where no limit is set. */
export function resourceValue(container: Container, resource: string, options: { divisor?: string; allocatable: Readonly<Record<string, string>> }): string | undefined {
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (!match) return undefined;
  const [, list, name = ''] = match;
  const { limits = {}, requests = {} } = container.resources ?? {};
  const set = list === 'limits' ? limits[name] : (requests[name] ?? (name === 'cpu' || name === 'memory' ? '0' : undefined));
  const amount = set ?? options.allocatable[name] ?? '0';
  const given = options.divisor && options.divisor !== '0' ? options.divisor : '1';
  return String(Math.ceil(quantityAsNumber(parseQuantity(amount)) / quantityAsNumber(parseQuantity(given)) - 1e-9));
}
