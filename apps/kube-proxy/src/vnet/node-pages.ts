import type { PagesAt } from '@orrery/vnet-link';
import type { Pages } from '../health.ts';

/** kube-proxy's own ports on a node of the emulated network, where upstream has them: health on all addresses, metrics on loopback. */
export function nodePages({ health, metrics }: { readonly health: Pages; readonly metrics: Pages }): PagesAt[] {
  return [{ ip: '', port: 10_256, pages: (path) => health(path) }, { ip: '127.0.0.1', port: 10_249, pages: (path) => metrics(path) }];
}
