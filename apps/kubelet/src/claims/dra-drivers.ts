import { DRAPluginDefinition } from '@orrery/proto/dra';
import { type Channel, type Client, createClient } from '@orrery/rpc';
import type { PluginHost } from '../plugins/plugin-host.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-watcher.ts';

/** Services that plug-ins name among their versions, and how these are called on the wire. They differ in their names alone. */
const services: Readonly<Record<string, string>> = {
  'v1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin',
  'v1beta1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin',
};

export type DraClient = Client<DRAPluginDefinition>;

interface Registered {
  readonly endpoint: string;
  readonly channel: Channel;
  readonly client: DraClient;
}

const quoted = (texts: readonly string[]): string => `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`;

/** The plug-ins of DRA drivers that have registered on this node; a driver has two while one replaces the other. */
export class DraDrivers implements PluginHandler {
  readonly type = 'DRAPlugin';
  private readonly host: PluginHost;
  /** By driver, in the order in which they came. */
  private readonly plugins = new Map<string, Registered[]>();

  constructor(host: PluginHost) {
    this.host = host;
  }

  /** The newest plug-in of a driver. */
  get(driver: string): DraClient | undefined {
    return this.plugins.get(driver)?.at(-1)?.client;
  }

  async register({ name, endpoint, versions }: PluginInfo): Promise<void> {
    const refuse = (problem: string): Error => new Error(`invalid supported gRPC versions of DRA driver plugin ${name} at endpoint ${endpoint}: ${problem}`);
    if (versions.length === 0) throw refuse('empty list of supported gRPC services (aka supported versions)');
    const chosen = versions.find((version) => services[version]);
    if (chosen === undefined) throw refuse(`none of services supported by the plugin (${quoted(versions)}) are supported by the kubelet (${quoted(Object.keys(services))})`);
    const known = this.plugins.get(name) ?? [];
    if (known.some((one) => one.endpoint === endpoint)) throw new Error(`endpoint ${endpoint} already registered for DRA driver plugin ${name}`);
    const channel = this.host.connect(endpoint);
    const definition = { ...DRAPluginDefinition, fullName: services[chosen] } as DRAPluginDefinition;
    this.plugins.set(name, [...known, { endpoint, channel, client: createClient(definition, channel) }]);
  }

  deregister({ name, endpoint }: PluginInfo): void {
    const known = this.plugins.get(name) ?? [];
    this.plugins.set(name, known.filter((one) => one.endpoint !== endpoint));
    for (const one of known) if (one.endpoint === endpoint) void one.channel.close();
  }

  async close(): Promise<void> {
    for (const { channel } of [...this.plugins.values()].flat()) await channel.close();
    this.plugins.clear();
  }
}
