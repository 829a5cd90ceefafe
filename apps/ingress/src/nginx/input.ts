import type { Endpoint } from '@orrery/vnet';
import type { GlobalSettings } from '../annotations/global.ts';
import type { LocationSettings } from '../annotations/settings.ts';
import { type Backend, type Backends, endpointsOf, upstreamName } from '../routing/backends.ts';
import type { Location, RoutingTable } from '../routing/table.ts';

/** What a configuration of nginx is made from. */
export interface NginxInput {
  readonly table: RoutingTable;
  readonly global: GlobalSettings;
  readonly backends: Backends;
  /** `host:port` at which nginx reaches an endpoint of a backend, or whichever there is; undefined: not yet. */
  address(endpoint: Endpoint | undefined, backend: Backend): string | undefined;
  readonly host: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Of this configuration: workers of an earlier one that are about to be replaced are told by its number. */
  readonly generation: number;
  /** Directory for certificates, passwords and what nginx itself keeps. */
  readonly dir: string;
  /** Name of the worker processes' user; empty where the program may not change it. */
  readonly user: string;
}

/**
 * The file whose existence makes workers of a generation part with their clients: each reply says that the connection ends with it. With
 * a reload nginx closes the connections that are idle at that moment, and a request that is on its way then would be lost.
 */
export const leavingFile = ({ generation }: Pick<NginxInput, 'generation'>): string => `leaving-${generation}`;

/** In each server: HTTP/2 has a goodbye of its own, and an upgrade keeps its connection. */
export const leavingServer = (input: NginxInput): string[] => ["set $leaving '';", `if (-f ${input.dir}/${leavingFile(input)}) { set $leaving close; }`, "if ($stays) { set $leaving ''; }"];

/** In each location: one that adds headers inherits none. */
export const leavingHeader = 'add_header Connection $leaving always;';

/** Text as part of a file's name or of a name in nginx's configuration. */
export const fileName = (text: string): string => text.replaceAll('*', '_').replace(/[^a-z0-9._-]/gi, '-');

/** Name of a backend's upstream; settings of a location may make another of the same backend. */
export function upstreamFor(backend: Backend, settings: LocationSettings): string {
  const kind = settings.sticky ? `-sticky-${settings.sticky.name}` : settings.hashBy ? `-hash-${settings.hashBy}` : settings.serviceUpstream ? '-service' : '';
  return fileName(upstreamName(backend) + kind).replaceAll('.', '_');
}

export const zoneName = ({ ingress }: Location): string => fileName(ingress).replaceAll('.', '_');

/** Whether a location has anybody to send requests to. */
export function hasServers(input: NginxInput, backend: Backend, settings: LocationSettings): boolean {
  return endpointsOf(input.backends, backend, settings.serviceUpstream).some((endpoint) => input.address(endpoint, backend) !== undefined);
}
