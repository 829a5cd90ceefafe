import type { Cluster, ClusterOptions } from '../cluster.ts';

export function createProcessesCluster(_options: ClusterOptions): Promise<Cluster> {
  return Promise.reject(new Error('not yet'));
}
