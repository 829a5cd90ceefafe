import { ConfigError, parseGoDuration } from '@orrery/runtime';
import { parse as parseYaml } from 'yaml';

/** What a KubeProxyConfiguration file says, of what this kube-proxy has. */
export interface KubeProxyConfiguration {
  readonly featureGates?: Readonly<Record<string, boolean>>;
  readonly hostnameOverride?: string;
  readonly healthzBindAddress?: string;
  readonly metricsBindAddress?: string;
  readonly mode?: string;
  readonly clusterCIDR?: string;
  readonly detectLocalMode?: string;
  readonly nodePortAddresses?: readonly string[];
  readonly clientConnection?: { readonly kubeconfig?: string };
  readonly detectLocal?: { readonly bridgeInterface?: string; readonly interfaceNamePrefix?: string };
  readonly conntrack?: { readonly maxPerCore?: number; readonly min?: number; readonly tcpEstablishedTimeout?: string; readonly tcpCloseWaitTimeout?: string; readonly tcpBeLiberal?: boolean; readonly udpTimeout?: string; readonly udpStreamTimeout?: string };
  readonly iptables?: ModeSettings & { readonly localhostNodePorts?: boolean };
  readonly nftables?: ModeSettings;
  readonly ipvs?: ModeSettings & { readonly scheduler?: string; readonly strictARP?: boolean; readonly excludeCIDRs?: readonly string[]; readonly tcpTimeout?: string; readonly tcpFinTimeout?: string; readonly udpTimeout?: string };
}

interface ModeSettings {
  readonly masqueradeBit?: number;
  readonly masqueradeAll?: boolean;
  readonly syncPeriod?: string;
  readonly minSyncPeriod?: string;
}

type FieldType = 'string' | 'number' | 'boolean' | 'duration' | 'strings' | 'object' | { readonly [field: string]: FieldType };

const mode = { masqueradeBit: 'number', masqueradeAll: 'boolean', syncPeriod: 'duration', minSyncPeriod: 'duration' } as const;

/** All fields of kubeproxy.config.k8s.io/v1alpha1; those that mean nothing here are taken and ignored. */
const schema: Readonly<Record<string, FieldType>> = {
  apiVersion: 'string', kind: 'string', featureGates: 'object', logging: 'object', hostnameOverride: 'string', bindAddress: 'string',
  healthzBindAddress: 'string', metricsBindAddress: 'string', bindAddressHardFail: 'boolean', enableProfiling: 'boolean', showHiddenMetricsForVersion: 'string',
  mode: 'string', detectLocalMode: 'string', clusterCIDR: 'string', nodePortAddresses: 'strings', oomScoreAdj: 'number', configSyncPeriod: 'duration', portRange: 'string',
  windowsRunAsService: 'boolean',
  clientConnection: { kubeconfig: 'string', acceptContentTypes: 'string', contentType: 'string', qps: 'number', burst: 'number' },
  detectLocal: { bridgeInterface: 'string', interfaceNamePrefix: 'string' },
  iptables: { ...mode, localhostNodePorts: 'boolean', snatNodeInternalIP: 'boolean' },
  nftables: mode,
  ipvs: { ...mode, scheduler: 'string', excludeCIDRs: 'strings', strictARP: 'boolean', tcpTimeout: 'duration', tcpFinTimeout: 'duration', udpTimeout: 'duration' },
  winkernel: { networkName: 'string', sourceVip: 'string', enableDSR: 'boolean', rootHnsEndpointName: 'string', forwardHealthCheckVip: 'boolean' },
  conntrack: { maxPerCore: 'number', min: 'number', tcpEstablishedTimeout: 'duration', tcpCloseWaitTimeout: 'duration', tcpBeLiberal: 'boolean', udpTimeout: 'duration', udpStreamTimeout: 'duration' },
};

const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1';
const kind = 'KubeProxyConfiguration';

function isDuration(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  try {
    parseGoDuration(text);
    return true;
  } catch {
    return false;
  }
}

const checks: Readonly<Record<Extract<FieldType, string>, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  duration: isDuration,
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  object: (value) => typeof value === 'object' && !Array.isArray(value),
};

/** Problems of an object, as upstream's strict decoder names them. */
function problems(value: unknown, fields: Readonly<Record<string, FieldType>>, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path || 'the document'} must be an object`];
  return Object.entries(value).flatMap(([key, field]) => {
    const at = path ? `${path}.${key}` : key;
    const type = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (!type) return [`unknown field "${at}"`];
    if (field === null) return [];
    if (typeof type === 'object') return problems(field, type, at);
    return checks[type](field) ? [] : [`${at} takes ${type === 'strings' ? 'a list of strings' : `a ${type}`}, not ${JSON.stringify(field)}`];
  });
}

/** Reads a KubeProxyConfiguration from YAML or JSON, strictly. Throws ConfigError with all that is wrong. */
export function loadConfiguration(text: string): KubeProxyConfiguration {
  let parsed: unknown;
  try {
    parsed = parseYaml(text);
  } catch (error) {
    throw new ConfigError(`cannot read the configuration: ${(error as Error).message}`);
  }
  const head = parsed as { apiVersion?: unknown; kind?: unknown } | null;
  if (head?.apiVersion !== apiVersion || head.kind !== kind) {
    throw new ConfigError(`no kind ${JSON.stringify(head?.kind ?? '')} is registered for version ${JSON.stringify(head?.apiVersion ?? '')}; the file must be ${kind} of ${apiVersion}`);
  }
  const found = problems(parsed, schema, '');
  if (found.length) throw new ConfigError(`strict decoding error: ${found.join(', ')}`);
  return parsed as KubeProxyConfiguration;
}
