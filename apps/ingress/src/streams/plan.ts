import type { Backend } from '../routing/backends.ts';

export type StreamProtocol = 'TCP' | 'UDP';

/** A port of this machine that leads to a Service as it is, without HTTP. */
export interface Stream {
  readonly protocol: StreamProtocol;
  readonly port: number;
  readonly backend: Backend;
}

/** Reads `PORT: namespace/service:port`, as ingress-nginx's ConfigMaps of TCP and UDP services have it; what cannot be read is a problem and counts as absent. */
export function readStreams(protocol: StreamProtocol, data: Readonly<Record<string, string>>, taken: readonly number[]): { streams: readonly Stream[]; problems: readonly string[] } {
  const streams: Stream[] = [];
  const problems: string[] = [];
  for (const [key, value] of Object.entries(data)) {
    const port = /^\d{1,5}$/.test(key) ? Number(key) : 0;
    const [, namespace = '', service = '', target = '', rest] = /^([^/:]+)\/([^/:]+):([^:]+)(?::(.*))?$/.exec(value.trim()) ?? [];
    if (port < 1 || port > 65_535) problems.push(`${key} is not a valid ${protocol} port number`);
    else if (protocol === 'TCP' && taken.includes(port)) problems.push(`port ${port} cannot be used for ${protocol} stream services: it is reserved for the Ingress controller`);
    else if (!namespace) problems.push(`${key}: ${JSON.stringify(value)} is not namespace/name:port`);
    else if (rest) problems.push(`${key}: the PROXY protocol is not supported`);
    else streams.push({ protocol, port, backend: { namespace, service, port: target } });
  }
  return { streams, problems };
}
