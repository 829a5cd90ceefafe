import { ConfigError } from '@orrery/runtime';
import type { ServiceRule } from '@orrery/vnet';

/** Questions, health, metrics: where NodeLocal DNSCache has them. */
const ports = [['UDP', 53], ['TCP', 53], ['TCP', 8080], ['TCP', 9253]] as const;

/** Rules by which a node's pods reach the DNS cache of their node, `ADDRESS=TARGET` of `--node-dns-cache`, '' for none. Throws ConfigError. */
export function dnsCacheRules(setting = ''): Map<string, ServiceRule[]> {
  if (!setting) return new Map();
  const [ip, target, ...more] = setting.split('=');
  if (!ip || !target || more.length) throw new ConfigError(`--node-dns-cache takes ADDRESS=TARGET, not ${JSON.stringify(setting)}`);
  const service = 'kube-system/node-local-dns';
  const rules = ports.map(([protocol, port]): ServiceRule => ({ match: { ip, port, protocol }, service, backends: [{ ip: target, port }], whenEmpty: 'refuse' }));
  // No Service has a name like this, so none takes its place.
  return new Map([['//node-local-dns', rules]]);
}
