import { RegistrationDefinition } from '@orrery/proto/registration';
import { type Channel, createClient } from '@orrery/rpc';
import type { Env, Timer } from '@orrery/runtime';
import type { PluginHost } from './plugin-host.ts';

/** How often upstream compares what there is with what is registered. */
const periodMs = 1_000;
/** How long a plug-in may take to say who it is. */
const timeoutMs = 10_000;
/** When a plug-in that was refused is tried again, and again: as upstream tries again what it finds not valid. */
const firstRetryMs = 500;
const longestRetryMs = 122_000;

/** What a plug-in says of itself. */
export interface PluginInfo {
  readonly name: string;
  /** Socket of the plug-in itself. */
  readonly endpoint: string;
  readonly versions: readonly string[];
}

export interface PluginHandler {
  /** `CSIPlugin`, `DevicePlugin` … */
  readonly type: string;
  /** Throws with what the plug-in is told when it cannot be taken. */
  register(plugin: PluginInfo): Promise<void>;
  deregister(plugin: PluginInfo): void;
}

/** Finds plug-ins by their sockets in the registration directory, and tells each how it went. */
export class PluginWatcher {
  private readonly env: Env;
  private readonly options: { host: PluginHost; dir: string; handlers: readonly PluginHandler[] };
  private readonly registered = new Map<string, { handler: PluginHandler; plugin: PluginInfo }>();
  /** By socket: when it is tried again (monotonic), and how long that was put off. */
  private readonly refused = new Map<string, { readonly againMs: number; readonly delayMs: number }>();
  private timer: Timer | undefined;
  private looking = false;

  constructor(env: Env, options: { host: PluginHost; dir: string; handlers: readonly PluginHandler[] }) {
    this.env = env;
    this.options = options;
  }

  start(): void {
    this.timer = this.env.clock.every(periodMs, () => void this.look());
  }

  stop(): void {
    this.timer?.cancel();
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const sockets = new Set(await this.options.host.sockets(this.options.dir));
      for (const [path, known] of [...this.registered]) {
        if (sockets.has(path)) continue;
        this.registered.delete(path);
        known.handler.deregister(known.plugin);
      }
      for (const path of [...this.refused.keys()]) if (!sockets.has(path)) this.refused.delete(path);
      const now = this.env.clock.monotonic();
      for (const path of sockets) if (!this.registered.has(path) && (this.refused.get(path)?.againMs ?? now) <= now) await this.register(path);
      if (this.options.host.isFixed && this.registered.size === sockets.size) this.timer?.cancel();
    } catch (error) {
      this.env.log.warn('plug-ins are not known', { error: (error as Error).message });
    } finally {
      this.looking = false;
    }
  }

  /**
   * A plug-in that does not answer is asked again at once; one that was refused later and later. Upstream leaves one whose registration failed alone until its socket is new, and
   * registrars see to that by ending: here those that stay are taken, too, once what was in the way is gone.
   */
  private async register(path: string): Promise<void> {
    const channel: Channel = this.options.host.connect(path);
    const client = createClient(RegistrationDefinition, channel);
    try {
      const { type = '', name = '', endpoint = '', supportedVersions: versions = [] } = await client.getInfo({}, { timeoutMs });
      const plugin: PluginInfo = { name, endpoint: endpoint || path, versions };
      const handler = this.options.handlers.find((one) => one.type === type);
      const problem = await this.take(handler, { type, plugin });
      if (handler && !problem) {
        this.registered.set(path, { handler, plugin });
        this.refused.delete(path);
      } else {
        const before = this.refused.get(path)?.delayMs;
        const delayMs = before === undefined ? firstRetryMs : Math.min(longestRetryMs, before * 2);
        this.refused.set(path, { againMs: this.env.clock.monotonic() + delayMs, delayMs });
        this.env.log.warn('plug-in refused', { plugin: name, path, error: problem });
      }
      await client.notifyRegistrationStatus({ pluginRegistered: !problem, error: problem ?? '' }, { timeoutMs });
    } catch (error) {
      this.env.log.debug('plug-in does not answer', { path, error });
    } finally {
      await channel.close();
    }
  }

  private async take(handler: PluginHandler | undefined, { type, plugin }: { type: string; plugin: PluginInfo }): Promise<string | undefined> {
    if (!handler) return `no handler registered for plugin type: ${type} at socket ${plugin.endpoint}`;
    try {
      await handler.register(plugin);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
