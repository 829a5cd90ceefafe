import type { Pod } from '@orrery/api/types';
import type { DNSConfig } from '@orrery/proto/cri';
import { isHostNetwork, namespaceOf } from '../pods/pod-spec.ts';

export interface DnsSettings {
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly nodeNameservers: readonly string[];
}

function usesClusterDns(pod: Pod): boolean {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  return policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !isHostNetwork(pod));
}

/** Of pods that say nothing themselves, by what the answer depends on: most of a namespace have the same. */
const plain = new Map<string, DNSConfig>();
const maxPlain = 1024;

/** What goes into the pod's resolv.conf. */
export function podDns(pod: Pod, settings: DnsSettings): DNSConfig {
  if (pod.spec?.dnsConfig || !usesClusterDns(pod)) return ownDns(pod, settings);
  const key = `${namespaceOf(pod)} ${settings.clusterDomain} ${settings.clusterDns.join(' ')}|${settings.nodeNameservers.join(' ')}`;
  let found = plain.get(key);
  if (!found) {
    if (plain.size >= maxPlain) plain.clear();
    plain.set(key, (found = ownDns(pod, settings)));
  }
  return found;
}

function ownDns(pod: Pod, settings: DnsSettings): DNSConfig {
  const { clusterDns, clusterDomain, nodeNameservers } = settings;
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  const cluster = usesClusterDns(pod) && clusterDns.length > 0;
  const base: Required<DNSConfig> = cluster
    ? { servers: [...clusterDns], searches: [`${namespaceOf(pod)}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain], options: ['ndots:5'] }
    : { servers: policy === 'None' ? [] : [...nodeNameservers], searches: [], options: [] };
  const { nameservers = [], searches = [], options = [] } = pod.spec?.dnsConfig ?? {};
  const given = options.map(({ name = '', value }) => (value === undefined ? name : `${name}:${value}`));
  const overridden = new Set(options.map(({ name }) => name));
  return {
    servers: [...new Set([...(base.servers ?? []), ...nameservers])],
    searches: [...new Set([...(base.searches ?? []), ...searches])],
    options: [...(base.options ?? []).filter((option) => !overridden.has(option.split(':')[0])), ...given],
  };
}

/** Host name and domain of the pod; the name of the node when it shares the node's network. */
export function podHostname(pod: Pod, node: { hostname: string; clusterDomain: string }): { hostname: string; domain: string } {
  const { hostname, hostnameOverride, subdomain } = pod.spec ?? {};
  if (hostnameOverride) return { hostname: hostnameOverride, domain: '' };
  if (isHostNetwork(pod)) return { hostname: node.hostname, domain: '' };
  const name = (hostname ?? pod.metadata?.name ?? '').slice(0, 63).replace(/[-.]+$/, '');
  return { hostname: name, domain: subdomain ? `${subdomain}.${namespaceOf(pod)}.svc.${node.clusterDomain}` : '' };
}

const maxNodename = 64;

/** What the kernel is told: the whole name where the pod wants that. Throws for one that the kernel would not take. */
export function nodename(pod: Pod, { hostname, domain }: { hostname: string; domain: string }): string {
  if (!domain || !pod.spec?.setHostnameAsFQDN) return hostname;
  const fqdn = `${hostname}.${domain}`;
  if (fqdn.length > maxNodename) throw new Error(`failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${maxNodename} characters is the max, ${fqdn.length} characters requested)`);
  return fqdn;
}

const everyHost = ['# Kubernetes-managed hosts file.', '127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::0\tip6-localnet', 'fe00::0\tip6-mcastprefix', 'fe00::1\tip6-allnodes', 'fe00::2\tip6-allrouters', ''].join('\n');

/** The pod's `/etc/hosts`. */
export function hostsFile(pod: Pod, { ips, hostname, domain }: { readonly ips: readonly string[]; readonly hostname: string; readonly domain: string }): string {
  let text = everyHost;
  for (const ip of ips) text += domain ? `${ip}\t${hostname}.${domain}\t${hostname}\n` : `${ip}\t${hostname}\n`;
  return pod.spec?.hostAliases?.length ? `${text}${aliasLines(pod).join('\n')}\n` : text;
}

function aliasLines(pod: Pod): string[] {
  const aliases = pod.spec?.hostAliases ?? [];
  return aliases.length ? ['', '# Entries added by HostAliases.', ...aliases.map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t'))] : [];
}

/** `/etc/hosts` of a pod on the node's network: the node's own, and what the pod adds. */
export function nodeHostsFile(pod: Pod, own: string): string {
  const aliases = aliasLines(pod);
  return `# Kubernetes-managed hosts file (host network).\n${own}${aliases.length ? `${aliases.join('\n')}\n` : ''}`;
}
