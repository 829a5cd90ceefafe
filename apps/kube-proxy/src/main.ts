import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { createShell } from '@orrery/linux';
import { apiConnectionSchema, connectApi, runMain, serveHttp, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { type Component, ConfigError } from '@orrery/runtime';
import { kubeProxySchema } from './config.ts';
import { loadConfiguration } from './configuration/load.ts';
import { linuxSettings, mergeConfiguration } from './configuration/settings.ts';
import { cleanUpAll, createLinuxProxy } from './linux/component.ts';
import { createRealProxy } from './linux/real-proxy.ts';
import { createVnetProxy } from './vnet/component.ts';

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read --config ${path}: ${(error as Error).message}`);
  }
}

await runMain({
  name: 'kube-proxy',
  summary: 'makes Services work on a node',
  schema: { ...kubeProxySchema, ...vnetMemberSchema, ...apiConnectionSchema },
  async create({ env, config: flags }) {
    const file = flags.config ? loadConfiguration(fileText(flags.config)) : undefined;
    const merged = file ? mergeConfiguration(flags, file) : flags;
    const config = { ...flags, ...merged, proxyMode: merged.proxyMode || 'vnet' };
    if (config.cleanup) {
      await cleanUpAll(createShell(), linuxSettings({ ...config, proxyMode: 'iptables' }, { ips: [], podCidrs: [] }));
      return { name: 'kube-proxy', start: () => Promise.resolve(), stop: () => Promise.resolve(), ready: () => true, ended: Promise.resolve('cleaned up') };
    }
    const kubeconfig = flags.kubeconfig || file?.clientConnection?.kubeconfig || '';
    const api = await connectApi(env, { ...config, kubeconfig, ...(kubeconfig && !flags.kubeconfig ? { apiTransport: 'rest' as const } : {}) }, 'kube-proxy');
    const named = { ...config, nodeName: config.nodeName || hostname().toLowerCase() };
    const shell = createShell();
    const tls = tlsMaterial(config);
    const vnet = (settings: typeof config): Component => createVnetProxy(env, { api, connect: switchConnector(tls), serveHttp, ...(tls ? { tls } : {}) }, settings);
    if (config.podNetwork === 'real') return createRealProxy(env, { api, shell, serveHttp, vnet }, named);
    return config.proxyMode === 'vnet' ? vnet(config) : createLinuxProxy(env, { api, shell, serveHttp }, named);
  },
});
