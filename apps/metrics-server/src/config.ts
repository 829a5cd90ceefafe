import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the metrics server; durations as Go writes them. */
export const metricsServerSchema = {
  bindAddress: { type: 'string', default: '127.0.0.1', help: 'address the API is served on (TLS)' },
  securePort: { type: 'number', default: 4443, help: 'port the API is served on; 0 picks a free one' },
  advertiseHost: { type: 'string', default: '127.0.0.1', help: 'where the API server finds it: the external name of the Service kube-system/metrics-server' },
  metricResolution: { type: 'string', default: '15s', help: 'how often nodes are scraped while somebody asks' },
  idleAfter: { type: 'string', default: '5m', help: 'scrape no more once nobody has asked for so long; the next to ask waits a second for two samples. 0: scrape always' },
  kubeletServerName: { type: 'string', default: '', help: 'name that the certificates of kubelets must hold; empty: their address' },
  kubeletInsecureTls: { type: 'boolean', default: false, help: 'accept any certificate of a kubelet' },
} as const satisfies ConfigSchema;

export type MetricsServerConfig = ConfigOf<typeof metricsServerSchema>;
