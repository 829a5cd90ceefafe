import { DRAPluginDefinition } from '@orrery/proto/dra';
import { DRAResourceHealthDefinition, type DeviceHealth as DeviceReport } from '@orrery/proto/drahealth';
import { type Channel, type Client, Code, RpcError, createClient } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { PluginHost } from '../plugins/plugin-host.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-watcher.ts';
import type { SliceWiper } from './slice-wiper.ts';

/** Services that plug-ins name among their versions, and how these are called on the wire. They differ in their names alone. */
const services: Readonly<Record<string, string>> = {
  'v1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin',
  'v1beta1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin',
};

/** How often is looked whether a plug-in still answers; upstream asks again for a driver's word on its devices as often. */
const lookMs = 5_000;
const connectMs = 1_000;

export type DraClient = Client<DRAPluginDefinition>;

interface Registered {
  readonly endpoint: string;
  readonly channel: Channel;
  readonly client: DraClient;
  readonly ending: AbortController;
  isConnected: boolean;
}

export interface DraDriversOptions {
  readonly host: PluginHost;
  readonly slices: SliceWiper;
  /** What a driver says of all its devices; undefined once it says nothing more. */
  readonly heard: (driver: string, devices: readonly DeviceReport[] | undefined) => void;
}

const quoted = (texts: readonly string[]): string => `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`;

/** The plug-ins of DRA drivers that have registered on this node; a driver has two while one replaces the other. */
export class DraDrivers implements PluginHandler {
  readonly type = 'DRAPlugin';
  private readonly env: Env;
  private readonly options: DraDriversOptions;
  /** By driver, in the order in which they came. */
  private readonly plugins = new Map<string, Registered[]>();
  private isClosed = false;

  constructor(env: Env, options: DraDriversOptions) {
    this.env = env;
    this.options = options;
  }

  start(): void {
    this.options.slices.wipeAll();
  }

  /** The newest plug-in of a driver that can be reached, or the newest at all. */
  get(driver: string): DraClient | undefined {
    const plugins = this.plugins.get(driver) ?? [];
    return (plugins.findLast(({ isConnected }) => isConnected) ?? plugins.at(-1))?.client;
  }

  async register({ name, endpoint, versions }: PluginInfo): Promise<void> {
    const refuse = (problem: string): Error => new Error(`invalid supported gRPC versions of DRA driver plugin ${name} at endpoint ${endpoint}: ${problem}`);
    if (versions.length === 0) throw refuse('empty list of supported gRPC services (aka supported versions)');
    const chosen = versions.find((version) => services[version]);
    if (chosen === undefined) throw refuse(`none of services supported by the plugin (${quoted(versions)}) are supported by the kubelet (${quoted(Object.keys(services))})`);
    const known = this.plugins.get(name) ?? [];
    if (known.some((one) => one.endpoint === endpoint)) throw new Error(`endpoint ${endpoint} already registered for DRA driver plugin ${name}`);
    const channel = this.options.host.connect(endpoint);
    const definition = { ...DRAPluginDefinition, fullName: services[chosen] } as DRAPluginDefinition;
    const plugin: Registered = { endpoint, channel, client: createClient(definition, channel), ending: new AbortController(), isConnected: false };
    this.plugins.set(name, [...known, plugin]);
    void this.follow(name, plugin);
  }

  deregister({ name, endpoint }: PluginInfo): void {
    const known = this.plugins.get(name) ?? [];
    this.plugins.set(name, known.filter((one) => one.endpoint !== endpoint));
    for (const one of known) if (one.endpoint === endpoint) end(one, 'deregistered');
    this.tell(name);
  }

  close(): void {
    this.isClosed = true;
    for (const one of [...this.plugins.values()].flat()) end(one, 'kubelet stopped');
    this.plugins.clear();
    this.options.slices.stop();
  }

  private tell(driver: string): void {
    this.options.slices.observe(driver, (this.plugins.get(driver) ?? []).some(({ isConnected }) => isConnected));
  }

  /** Keeps up with whether the plug-in is there (one that was killed leaves its socket behind), and with what it says of its devices. */
  private async follow(driver: string, plugin: Registered): Promise<void> {
    const { channel, ending: { signal } } = plugin;
    let tellsHealth = true;
    while (!signal.aborted) {
      plugin.isConnected = await (channel.connected?.(connectMs) ?? Promise.resolve()).then(() => true, () => false);
      if (signal.aborted) return;
      this.tell(driver);
      if (plugin.isConnected && tellsHealth) tellsHealth = await this.hear(driver, plugin);
      await this.env.clock.sleep(lookMs, signal).catch(() => undefined); // the loop looks whether it is over
    }
  }

  /** Until the stream ends. False from a plug-in that has no such service. */
  private async hear(driver: string, { channel, ending: { signal } }: Registered): Promise<boolean> {
    try {
      const client = createClient(DRAResourceHealthDefinition, channel);
      for await (const { devices = [] } of client.nodeWatchResources({}, { signal })) this.options.heard(driver, devices);
    } catch (error) {
      if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return false;
      if (!signal.aborted) this.env.log.debug('a driver says nothing more of its devices', { driver, error: (error as Error).message });
    }
    // The driver has not fallen silent when it is the kubelet that goes: its word is for the next one.
    if (!this.isClosed) this.options.heard(driver, undefined);
    return true;
  }
}

function end({ channel, ending }: Registered, why: string): void {
  ending.abort(new Error(why));
  channel.close();
}
