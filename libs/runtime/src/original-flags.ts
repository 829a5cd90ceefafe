import type { ConfigSchema } from './config.ts';

/**
 * Flags that all of upstream's components have (`k8s.io/component-base`, `k8s.io/apiserver`), for programs that stand in for one: what
 * has a meaning here is a field of the program; the rest is taken where ignoring it deceives nobody, and refused by name where it would.
 */
const unchanged = (why: string): string => `taken, and changes nothing: ${why}`;

/** klog's. `-v` is every program's own. */
const logging = {
  loggingFormat: { type: 'string', default: 'text', choices: ['text', 'json'], help: unchanged('there is one form of log, lines of JSON') },
  logFlushFrequency: { type: 'duration', default: '5s', help: unchanged('every line is written at once') },
  logJsonInfoBufferSize: { type: 'string', default: '0', help: unchanged('every line is written at once') },
  logJsonSplitStream: { type: 'boolean', default: false, help: unchanged('all goes to standard error') },
  logTextInfoBufferSize: { type: 'string', default: '0', help: unchanged('every line is written at once') },
  logTextSplitStream: { type: 'boolean', default: false, help: unchanged('all goes to standard error') },
  vmodule: { type: 'list', default: [], help: unchanged('levels are those of the whole program, --v') },
} as const satisfies ConfigSchema;

const serving = {
  http2MaxStreamsPerConnection: { type: 'number', default: 0, help: unchanged('a connection takes a thousand streams') },
  disableHttp2Serving: { type: 'boolean', default: false, help: unchanged('clients choose between HTTP/1.1 and HTTP/2') },
  permitAddressSharing: { type: 'boolean', default: false, help: unchanged('addresses are shared, as Node listens') },
  permitPortSharing: { type: 'boolean', default: false, help: unchanged('a port belongs to one program') },
  profiling: { type: 'boolean', default: true, help: unchanged('/debug/pprof is not served; Node has --inspect and --cpu-prof') },
  contentionProfiling: { type: 'boolean', default: false, help: unchanged('there are no locks') },
} as const satisfies ConfigSchema;

const metrics = {
  allowMetricLabels: { type: 'list', default: [], help: 'allowed values of labels of metrics', refused: 'labels keep their values' },
  allowMetricLabelsManifest: { type: 'string', default: '', help: 'file with allowed values of labels of metrics', refused: 'labels keep their values' },
  disabledMetrics: { type: 'list', default: [], help: 'metrics that are not exposed', refused: 'every metric is exposed' },
  showHiddenMetricsForVersion: { type: 'string', default: '', help: unchanged('no metric is hidden') },
} as const satisfies ConfigSchema;

const oneVersion = 'it behaves as 1.36';

const versions = {
  emulatedVersion: { type: 'list', default: [], help: 'version whose behaviour is wanted', refused: oneVersion },
  emulationForwardCompatible: { type: 'boolean', default: false, help: unchanged(oneVersion) },
  minCompatibilityVersion: { type: 'list', default: [], help: 'oldest version to get along with', refused: oneVersion },
  featureGates: { type: 'list', default: [], help: unchanged('features are on and off as they are by default in 1.36') },
} as const satisfies ConfigSchema;

/** Of a client of the API server: `--kube-api-qps` and `--kube-api-burst` are the program's to obey. */
export const apiPaceFlags = {
  kubeApiQps: { type: 'number', default: 0, help: 'requests a second to the API server; 0: as many as come up' },
  kubeApiBurst: { type: 'number', default: 0, help: 'how many of them may come at once; 0: twice --kube-api-qps' },
  kubeApiContentType: { type: 'string', default: 'application/vnd.kubernetes.protobuf', help: unchanged('--api-transport says how to speak to the API server') },
  master: { type: 'string', default: '', help: 'URL of the API server', refused: 'give --kubeconfig, or --api-server' },
} as const satisfies ConfigSchema;

/** All that changes nothing, or is refused. */
export const originalFlags = { ...logging, ...serving, ...metrics, ...versions } as const satisfies ConfigSchema;
