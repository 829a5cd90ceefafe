import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the emulated cloud. */
export const cloudSchema = {
  listen: { type: 'string', default: '', help: 'gRPC address of orrery.cloud.v1 (unix:/path or host:port, port 0 picks one); empty for none' },
  loadBalancerRange: { type: 'string', default: '127.77.0.0/16', help: 'range of load balancer addresses; of 127.0.0.0/8, so that they answer on this machine without privileges' },
  sharedAddress: { type: 'string', default: '', help: 'one address for all load balancers instead of --load-balancer-range; their ports must then differ' },
  listenHost: { type: 'string', default: '', help: 'where listeners bind; default: the balancer\'s own address' },
  fallbackHost: { type: 'string', default: '127.0.0.1', help: 'where listeners go when this machine does not allow the balancer\'s own address or port' },
  stateFile: { type: 'string', default: '', help: 'JSON file that keeps load balancers over restarts; empty keeps them in memory' },
  address: { type: 'string', default: '10.240.0.90', help: 'its address in the emulated network' },
} as const satisfies ConfigSchema;

export type CloudConfig = ConfigOf<typeof cloudSchema>;
