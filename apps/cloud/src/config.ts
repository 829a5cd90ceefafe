import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the emulated cloud. */
export const cloudSchema = {
  listen: { type: 'string', default: '', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port, port 0 picks one); empty for none' },
  loadBalancerRange: { type: 'string', default: '127.77.0.0/16', help: 'range of load balancer addresses; of 127.0.0.0/8, so that they answer on this machine without privileges' },
  sharedAddress: { type: 'string', default: '', help: 'one address for all load balancers instead of --load-balancer-range; their ports must then differ' },
  listenHost: { type: 'string', default: '', help: 'where listeners bind; default: the balancer\'s own address' },
  fallbackHost: { type: 'string', default: '127.0.0.1', help: 'where listeners go when this machine does not allow the balancer\'s own address or port' },
  stateFile: { type: 'string', default: '', help: 'file that keeps all the cloud has over restarts; empty keeps it in memory' },
  diskDir: { type: 'string', default: '', help: 'folder that holds the content of disks and snapshots; empty: they have none' },
  address: { type: 'string', default: '10.240.0.90', help: 'its address in the emulated network' },
  region: { type: 'string', default: 'orrery-1', help: 'the region it is in' },
  zones: { type: 'list', default: ['orrery-1a', 'orrery-1b', 'orrery-1c'], help: 'its zones' },
  instanceRange: { type: 'string', default: '10.241.0.0/16', help: 'range of instance addresses that nobody asked for' },
  instanceIpv6Range: { type: 'string', default: '', help: 'range of their IPv6 addresses; empty: they have none' },
  instanceTransitionMs: { type: 'number', default: 2000, help: 'how long an instance takes to start, stop and go' },
  disksPerNode: { type: 'number', default: 16, help: 'how many disks a node takes' },
  quotas: { type: 'list', default: [], help: 'limits, RESOURCE=NUMBER each, of instances, load-balancers, listeners, routes, scaling-groups, disks, disk-gib, snapshots' },
  registryListen: { type: 'string', default: '', help: 'host:port of the image registry; empty for none' },
  registryCertFile: { type: 'string', default: '', help: 'certificate (PEM) that the registry shows; without it the registry speaks plain HTTP' },
  registryKeyFile: { type: 'string', default: '', help: 'its key (PEM)' },
  registryDir: { type: 'string', default: '', help: 'folder of the layers of images; needed by the registry' },
  registryUsersFile: { type: 'string', default: '', help: 'file of the registry\'s users, USER:PASSWORD a line; without it everybody may push and pull' },
  registryOpen: { type: 'list', default: [], help: 'repositories, or what is before a / of them, that everybody may pull' },
} as const satisfies ConfigSchema;

export type CloudConfig = ConfigOf<typeof cloudSchema>;
