import type { Env } from '@orrery/runtime';
import type { PagesAt } from '@orrery/vnet-link';
import { type ProxyHealth, metricsPages } from '../health.ts';

/** kube-proxy's own ports on a node of the emulated network, where upstream has them: health on all addresses, metrics on loopback. */
export function nodePages(env: Pick<Env, 'metrics'>, health: Pick<ProxyHealth, 'pages'>): PagesAt[] {
  return [{ ip: '', port: 10_256, pages: health.pages }, { ip: '127.0.0.1', port: 10_249, pages: metricsPages(env, 'vnet') }];
}
