import type { Pod, ResourceStatus } from '@orrery/api/types';
import type { VolumeHost } from '@orrery/cri';
import type { Device, Mount } from '@orrery/proto/cri';
import { type ContainerAllocateResponse, type DevicePluginOptions, DevicePluginDefinition, RegistrationDefinition } from '@orrery/proto/deviceplugin';
import { type Channel, type Client, Code, RpcError, createClient, service } from '@orrery/rpc';
import type { Env, Timer } from '@orrery/runtime';
import type { PluginHost } from '../plugins/plugin-host.ts';
import { type Rejection } from '../pods/admission.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { type Assignment, DeviceBook, DeviceFault } from './device-book.ts';

const supported = 'v1beta1';
const timeoutMs = 30_000;
/** How long a plug-in that went away may take to come back before its devices are no longer the node's. */
const graceMs = 5 * 60_000;
const resourceName = /^(?=.{1,63}$|[^/]{1,253}\/)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

/** What a container gets because of its devices. */
export interface DeviceGifts {
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdi: readonly string[];
}

export const noGifts: DeviceGifts = { environment: {}, mounts: [], devices: [], annotations: {}, cdi: [] };

export interface DeviceManagerOptions {
  readonly host: PluginHost;
  readonly files: VolumeHost;
  /** Directory of the sockets. */
  readonly dir: string;
  /** The node has other devices than before. */
  readonly changed: () => void;
  /** The status of a pod's containers may say something else of its devices now. */
  readonly touched: (podUid: string) => void;
}

interface Plugin {
  readonly channel: Channel;
  readonly client: Client<DevicePluginDefinition>;
  readonly options: DevicePluginOptions;
  readonly ending: AbortController;
}

function giftsOf(responses: readonly ContainerAllocateResponse[]): DeviceGifts {
  return {
    environment: Object.assign({}, ...responses.map(({ envs }) => envs ?? {})) as Record<string, string>,
    annotations: Object.assign({}, ...responses.map(({ annotations }) => annotations ?? {})) as Record<string, string>,
    mounts: responses.flatMap(({ mounts = [] }) => mounts.map(({ containerPath = '', hostPath = '', readOnly = false }) => ({ containerPath, hostPath, readonly: readOnly }))),
    devices: responses.flatMap(({ devices = [] }) => devices.map(({ containerPath = '', hostPath = '', permissions = '' }) => ({ containerPath, hostPath, permissions }))),
    cdi: responses.flatMap(({ cdiDevices = [] }) => cdiDevices.map(({ name = '' }) => name)),
  };
}

/** Device plug-ins of the node: they register at the kubelet's socket, say what devices they have, and make them usable for containers. */
export class DeviceManager {
  private readonly env: Env;
  private readonly options: DeviceManagerOptions;
  private readonly plugins = new Map<string, Plugin>();
  private readonly graces = new Map<string, Timer>();
  /** Containers whose devices are settled, `pod/container/resource`. */
  private readonly chosen = new Set<string>();
  private book = new DeviceBook();
  private server: { stop(): Promise<void> } | undefined;
  private saving: Promise<void> = Promise.resolve();

  constructor(env: Env, options: DeviceManagerOptions) {
    this.env = env;
    this.options = options;
  }

  async start(): Promise<void> {
    this.book = new DeviceBook(await this.remembered());
    const registration = service(RegistrationDefinition, {
      register: async ({ version = '', endpoint = '', resourceName: resource = '', options = {} }) => {
        if (version !== supported) throw new RpcError(Code.UNKNOWN, `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is [${JSON.stringify(supported)}]`);
        if (!resourceName.test(resource) || /(^|\.)kubernetes\.io\//.test(resource)) throw new RpcError(Code.UNKNOWN, `the ResourceName ${JSON.stringify(resource)} is invalid`);
        this.connect(resource, { endpoint, options });
        return {};
      },
    });
    const socket = `${this.options.dir}/kubelet.sock`;
    try {
      this.server = await this.options.host.serve(socket, [registration]);
    } catch (error) {
      // A path too long for a socket, a directory that is not ours: the node is one without devices.
      this.env.log.warn('device plug-ins cannot register', { socket, error: (error as Error).message });
    }
  }

  async stop(): Promise<void> {
    for (const { ending, channel } of this.plugins.values()) {
      ending.abort(new Error('kubelet stopped'));
      await channel.close();
    }
    this.plugins.clear();
    for (const timer of this.graces.values()) timer.cancel();
    await this.server?.stop();
    await this.saving;
  }

  /** Amounts for the node's status. */
  amounts(): { capacity: Record<string, string>; allocatable: Record<string, string> } {
    return { capacity: this.book.capacity(), allocatable: this.book.allocatable() };
  }

  /** Sets the pod's devices aside, or says why it cannot have them. */
  admit(pod: Pod): Rejection | undefined {
    try {
      const before = this.book.all();
      this.book.assign(pod);
      if (this.book.all() !== before) this.save();
      return undefined;
    } catch (error) {
      if (error instanceof DeviceFault) return { reason: 'UnexpectedAdmissionError', message: `Pod was rejected: Allocate failed due to ${error.message}, which is unexpected` };
      throw error;
    }
  }

  release(podUid: string): void {
    for (const key of this.chosen) if (key.startsWith(`${podUid}/`)) this.chosen.delete(key);
    if (this.book.release(podUid)) this.save();
  }

  /** Whether devices were set aside for a container. */
  has(pod: Pod, container: string): boolean {
    return this.book.of(uidOf(pod), container).length > 0;
  }

  /** How a container's devices are, as its status tells it; nobody knows of those whose plug-in is away. */
  statusOf(pod: Pod, container: string): ResourceStatus[] {
    const healthOf = (resource: string, id: string): string => {
      const isHealthy = this.plugins.has(resource) ? this.book.isHealthy(resource, id) : undefined;
      return isHealthy === undefined ? 'Unknown' : isHealthy ? 'Healthy' : 'Unhealthy';
    };
    return this.book.of(uidOf(pod), container).map(({ resource, ids }) => ({ name: resource, resources: ids.map((id) => ({ resourceID: id, health: healthOf(resource, id) })) }));
  }

  /** Makes a container's devices usable. Throws with what the plug-in says. */
  async prepare(pod: Pod, container: string): Promise<DeviceGifts> {
    const assignments = this.book.of(uidOf(pod), container);
    if (assignments.length === 0) return noGifts;
    const responses: ContainerAllocateResponse[] = [];
    for (const assignment of assignments) {
      const { resource } = assignment;
      const plugin = this.plugins.get(resource);
      if (!plugin) throw new Error(`endpoint of device plugin for ${resource} is not connected`);
      const devicesIds = [...(await this.preferred(plugin, assignment))];
      const { containerResponses = [] } = await plugin.client.allocate({ containerRequests: [{ devicesIds }] }, { timeoutMs });
      responses.push(...containerResponses);
      if (plugin.options.preStartRequired) await plugin.client.preStartContainer({ devicesIds }, { timeoutMs });
    }
    return giftsOf(responses);
  }

  /** The devices that the plug-in would rather give than those that were set aside; asked before a container has its devices for the first time. */
  private async preferred(plugin: Plugin, assignment: Assignment): Promise<readonly string[]> {
    const { podUid, container, resource, ids } = assignment;
    const key = `${podUid}/${container}/${resource}`;
    if (!plugin.options.getPreferredAllocationAvailable || this.chosen.has(key)) return ids;
    const { available: availableDeviceIDs, mustInclude: mustIncludeDeviceIDs } = this.book.choice(assignment);
    const { containerResponses = [] } = await plugin.client.getPreferredAllocation({ containerRequests: [{ availableDeviceIDs, mustIncludeDeviceIDs, allocationSize: ids.length }] }, { timeoutMs });
    this.chosen.add(key);
    const settled = this.book.prefer(assignment, containerResponses[0]?.deviceIDs ?? []);
    this.save();
    return settled.ids;
  }

  private connect(resource: string, { endpoint, options }: { endpoint: string; options: DevicePluginOptions }): void {
    const old = this.plugins.get(resource);
    old?.ending.abort(new Error('registered anew'));
    void old?.channel.close();
    this.graces.get(resource)?.cancel();
    const channel = this.options.host.connect(`${this.options.dir}/${endpoint}`);
    const plugin: Plugin = { channel, client: createClient(DevicePluginDefinition, channel), options, ending: new AbortController() };
    this.plugins.set(resource, plugin);
    void this.follow(resource, plugin);
  }

  /** Keeps up with what the plug-in has, until it goes away. */
  private async follow(resource: string, plugin: Plugin): Promise<void> {
    try {
      for await (const { devices = [] } of plugin.client.listAndWatch({}, { signal: plugin.ending.signal })) {
        this.book.set(resource, new Map(devices.map(({ ID = '', health = '' }) => [ID, health === 'Healthy'])));
        this.save();
        this.tell(resource);
      }
    } catch (error) {
      if (!plugin.ending.signal.aborted) this.env.log.warn('device plug-in went away', { resource, error: (error as Error).message });
    }
    if (plugin.ending.signal.aborted || this.plugins.get(resource) !== plugin) return;
    this.plugins.delete(resource);
    await plugin.channel.close();
    this.book.disable(resource);
    this.tell(resource);
    this.graces.set(resource, this.env.clock.after(graceMs, () => {
      this.book.forget(resource);
      this.options.changed();
    }));
  }

  private tell(resource: string): void {
    this.options.changed();
    for (const uid of this.book.holders(resource)) this.options.touched(uid);
  }

  private get checkpoint(): string {
    return `${this.options.dir}/kubelet_internal_checkpoint`;
  }

  private save(): void {
    const entries = this.book.all().map(({ podUid, container, resource, ids }) => ({ PodUID: podUid, ContainerName: container, ResourceName: resource, DeviceIDs: { '-1': ids } }));
    const text = JSON.stringify({ Data: { PodDeviceEntries: entries } });
    this.saving = this.saving
      .then(() => this.options.files.writeCheckpoint(this.checkpoint, text))
      .catch((error: unknown) => this.env.log.error('devices in use cannot be remembered', { error }));
  }

  private async remembered(): Promise<Assignment[]> {
    const bytes = await this.options.files.readFile(this.checkpoint);
    if (!bytes) return [];
    try {
      const { Data } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { Data: { PodDeviceEntries: { PodUID: string; ContainerName: string; ResourceName: string; DeviceIDs: Record<string, string[]> }[] } };
      return Data.PodDeviceEntries.map((entry) => ({ podUid: entry.PodUID, container: entry.ContainerName, resource: entry.ResourceName, ids: Object.values(entry.DeviceIDs).flat() }));
    } catch (error) {
      this.env.log.error('the checkpoint of devices is damaged: it begins anew', { path: this.checkpoint, error: (error as Error).message });
      return [];
    }
  }
}
