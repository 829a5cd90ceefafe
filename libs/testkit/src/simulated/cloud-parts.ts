import { type CloudState, cloudSchema, createCloud } from '@orrery/cloud/component';
import { createCloudControllerManager } from '@orrery/cloud-controller-manager/component';
import { createCsiDisk, createDiskNode } from '@orrery/csi-disk/component';
import type { ApiClient } from '@orrery/client';
import type { NodeMounts } from '@orrery/cri';
import { InstancesDefinition } from '@orrery/proto/cloud';
import { type Channel, Code, RpcError, type ServedService, createClient } from '@orrery/rpc';
import { type Clock, type Component, type Env, resolveConfig } from '@orrery/runtime';
import type { VnetSwitch } from '@orrery/vnet';
import { simulatedBalancers } from './cloud-network.ts';
import type { Connection } from './connection.ts';
import { SimulatedDisks } from './simulated-disks.ts';

/** Of balancers: nothing else in the emulated network has such addresses. */
const loadBalancerRange = '10.250.0.0/16';
const address = '10.240.0.90';

/** A machine of the cloud that is a node of the cluster. */
export interface CloudMachine {
  readonly name: string;
  readonly ip: string;
  /** '': whichever zone the cloud gives it. */
  readonly zone: string;
}

const unavailable = (why: string): RpcError => new RpcError(Code.UNAVAILABLE, why);

/** The cloud of a simulated cluster, over the lives of its program: what it keeps, what is on its disks, the way to it. */
export class SimulatedCloud {
  readonly disks: SimulatedDisks;
  /** The faults because of which it answers nothing, by id. */
  readonly outages = new Set<string>();
  /** Those because of which it stands still: what is asked of it meanwhile waits. */
  private readonly pauses = new Set<string>();
  private readonly waiting = new Set<() => void>();
  private readonly clock: Clock;
  private kept: string | undefined;
  private running: Channel | undefined;
  private readonly machines: readonly CloudMachine[];

  constructor({ clock, machines }: { readonly clock: Clock; readonly machines: readonly CloudMachine[] }) {
    this.clock = clock;
    this.disks = new SimulatedDisks(() => clock.now());
    this.machines = machines;
  }

  /** Its program. `link` is given what cuts it off from what it keeps. */
  part(env: Env, infra: VnetSwitch, link: (cut: { cut(): void }) => void): Component {
    let dead = false;
    const zones = [...new Set(this.machines.map(({ zone }) => zone))].filter((zone) => zone !== '');
    const { network, close } = simulatedBalancers(infra, { clock: env.clock, ip: address });
    const config = resolveConfig(cloudSchema, [{ loadBalancerRange, address, ...(zones.length ? { zones } : {}) }]);
    const cloud = createCloud(env, { network, contents: this.disks, state: this.state(() => dead) }, config);
    const channel = cloud.channel();
    const leave = (): void => {
      if (this.running === channel) this.running = undefined;
    };
    link({
      cut: () => {
        dead = true;
        leave();
      },
    });
    return {
      name: 'cloud',
      ready: () => cloud.ready(),
      start: async (signal) => {
        await cloud.start(signal);
        await this.makeMachines(channel);
        this.running = channel;
      },
      async stop() {
        leave();
        await cloud.stop();
        close();
      },
    };
  }

  /** The way to it for a program, which dies with the program's connection. */
  channel(link: Connection): Channel {
    return {
      call: async (definition, method, input, options) => {
        if (this.pauses.size) await this.resumed(options.timeoutMs);
        const server = this.running;
        if (link.isCut()) return new Promise(() => undefined);
        if (this.outages.size || !server) throw unavailable('the cloud does not answer');
        const ended = async (): Promise<unknown> => {
          if (link.isCut()) return new Promise(() => undefined);
          if (this.running !== server) throw unavailable('the connection to the cloud was lost');
          return undefined;
        };
        try {
          const value: unknown = await server.call(definition, method, input, options);
          await ended();
          return value;
        } catch (error) {
          await ended();
          throw error;
        }
      },
      close: () => undefined,
    };
  }

  pause(id: string): void {
    this.pauses.add(id);
  }

  resume(id: string): void {
    this.pauses.delete(id);
    if (this.pauses.size) return;
    for (const go of this.waiting) go();
    this.waiting.clear();
  }

  /** As whoever runs it sees it: whatever befalls the way to it. */
  own(): Channel {
    if (!this.running) throw new Error('the cloud does not run');
    return this.running;
  }

  /** Resolves once it goes on; rejects when whoever asks does not wait so long. */
  private resumed(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const tooLate = (): void => {
        this.waiting.delete(go);
        reject(new RpcError(Code.DEADLINE_EXCEEDED, `the cloud did not answer within ${timeoutMs ?? 0} ms`));
      };
      const timer = timeoutMs === undefined ? undefined : this.clock.after(timeoutMs, tooLate);
      const go = (): void => {
        timer?.cancel();
        resolve();
      };
      this.waiting.add(go);
    });
  }

  private state(isDead: () => boolean): CloudState {
    const unlessDead = (write: () => void): Promise<void> => {
      if (isDead()) return new Promise(() => undefined);
      write();
      return Promise.resolve();
    };
    return {
      load: () => Promise.resolve(this.kept),
      append: (text) => unlessDead(() => void (this.kept = (this.kept ?? '') + text)),
      replace: (text) => unlessDead(() => void (this.kept = text)),
    };
  }

  private async makeMachines(channel: Channel): Promise<void> {
    const instances = createClient(InstancesDefinition, channel);
    for (const { name, ip, zone } of this.machines) await instances.create({ name, zone, privateIp: ip, type: 'o1.xlarge', clientToken: name });
  }
}

export function cloudControllerManagerPart(env: Env, api: ApiClient, cloud: Channel): Component {
  return createCloudControllerManager(env, { api, cloud, identity: 'simulated' });
}

export function csiDiskPart(env: Env, api: ApiClient, cloud: Channel): Component {
  return createCsiDisk(env, { api, cloud, identity: 'simulated' });
}

/** What the driver of the cloud's disks serves on a node, by socket. Disks that are used without a file system it refuses: nothing in memory is a file of this machine. */
export function diskServices(env: Env, deps: { readonly api: ApiClient; readonly cloud: Channel }, node: { readonly name: string; readonly mounts: NodeMounts; readonly disks: SimulatedDisks }): ReadonlyMap<string, readonly ServedService[]> {
  return createDiskNode(env, deps, {
    name: node.name,
    mounts: node.mounts,
    usage: (folder) => node.disks.files.usage(folder),
    content: () => {
      throw new RpcError(Code.FAILED_PRECONDITION, 'volumeMode: Block cannot be simulated');
    },
  });
}
