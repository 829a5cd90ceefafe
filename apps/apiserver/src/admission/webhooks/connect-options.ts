import { isOn } from '../../http/query-flag.ts';
import type { AdmissionAttributes } from '../../pipeline/index.ts';

type Fields = Record<string, unknown>;

const flags = ['stdin', 'stdout', 'stderr', 'tty'];
const proxies: Readonly<Record<string, string>> = { pods: 'PodProxyOptions', services: 'ServiceProxyOptions', nodes: 'NodeProxyOptions' };
const streams: Readonly<Record<string, string>> = { exec: 'PodExecOptions', attach: 'PodAttachOptions', portforward: 'PodPortForwardOptions' };

const listOf = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function streamOptions(kind: string, options: Readonly<Fields>): Fields {
  if (kind === 'PodPortForwardOptions') {
    const ports = listOf(options['ports']).flatMap((one) => String(one).split(',').map(Number));
    return ports.length ? { ports } : {};
  }
  const set = flags.filter((name) => isOn(String(listOf(options[name])[0] ?? 'false')));
  const command = listOf(options['command']);
  return {
    ...Object.fromEntries(set.map((name) => [name, true])),
    ...(options['container'] ? { container: options['container'] } : {}),
    ...(kind === 'PodExecOptions' ? { command } : {}),
  };
}

/** The object of a CONNECT, which is what the connection is to be like; undefined for a subresource without. */
export function connectOptions({ kind, subresource, options }: AdmissionAttributes): (Fields & { readonly kind: string }) | undefined {
  const name = subresource === 'proxy' ? proxies[kind.resource] : streams[subresource];
  if (!name) return undefined;
  const fields = subresource === 'proxy' ? (options['path'] ? { path: options['path'] } : {}) : streamOptions(name, options);
  return { kind: name, apiVersion: 'v1', ...fields };
}
