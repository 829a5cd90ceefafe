import type { Pod } from '@orrery/api/types';
import type { VolumeHost } from '@orrery/cri';
import { NamespaceMode, type UserNamespace } from '@orrery/proto/cri';
import { uidOf } from './pod-spec.ts';

/** Users of a pod without other settings (`userNamespaces.idsPerPod`); upstream's number. */
export const defaultIdsPerPod = 65_536;
const allIds = 2 ** 32;

/** What is kept beside a pod's volumes, in upstream's form. */
interface Kept {
  readonly uidMappings: readonly { readonly hostId: number; readonly containerId: number; readonly length: number }[];
}

export interface UserNamespacesOptions {
  readonly host: VolumeHost;
  readonly rootDir: string;
  readonly idsPerPod: number;
  /** Whether pods of a runtime handler can have user namespaces; '' is the runtime's default. */
  readonly supports: (handler: string) => boolean;
}

/** Which users of the node the users of pods are that have a user namespace of their own (`hostUsers: false`): a range for each pod, never the node's first. */
export class UserNamespaces {
  private readonly options: UserNamespacesOptions;
  /** First user of the pod's range, by the pod's uid. */
  private readonly firsts = new Map<string, number>();
  private loading: Promise<void> | undefined;

  constructor(options: UserNamespacesOptions) {
    this.options = options;
  }

  /** The pod's, the same for its whole life. Undefined: nothing is said of it. Throws, in upstream's words, when it cannot have one. */
  async of(pod: Pod, handler: string): Promise<UserNamespace | undefined> {
    const { hostUsers } = pod.spec ?? {};
    if (hostUsers === undefined) return undefined;
    if (hostUsers) return { mode: NamespaceMode.NODE };
    const { idsPerPod, host, supports } = this.options;
    if (!supports(handler)) throw new Error(`can't set \`spec.hostUsers: false\`, ${handler ? `RuntimeClass handler ${JSON.stringify(handler)}` : 'runtime'} does not support user namespaces`);
    await (this.loading ??= this.load());
    const uid = uidOf(pod);
    const known = this.firsts.get(uid);
    const first = known ?? this.free();
    const mappings = [{ hostId: first, containerId: 0, length: idsPerPod }];
    if (known === undefined) {
      this.firsts.set(uid, first);
      await host.writeCheckpoint(this.path(uid), JSON.stringify({ uidMappings: mappings, gidMappings: mappings }));
    }
    return { mode: NamespaceMode.POD, uids: mappings, gids: mappings };
  }

  /** The pod is gone. */
  release(uid: string): void {
    this.firsts.delete(uid);
  }

  private path(uid: string): string {
    return `${this.options.rootDir}/pods/${uid}/userns`;
  }

  /** What an earlier kubelet gave away. */
  private async load(): Promise<void> {
    const { host, rootDir } = this.options;
    for (const uid of await host.list(`${rootDir}/pods`)) {
      const bytes = await host.readFile(this.path(uid));
      const first = bytes && (JSON.parse(Buffer.from(bytes).toString('utf8')) as Kept).uidMappings[0]?.hostId;
      if (first !== undefined) this.firsts.set(uid, first);
    }
  }

  private free(): number {
    const { idsPerPod } = this.options;
    const taken = new Set(this.firsts.values());
    for (let first = idsPerPod; first + idsPerPod <= allIds; first += idsPerPod) if (!taken.has(first)) return first;
    throw new Error("could not find an empty slot to allocate a user namespace");
  }
}
