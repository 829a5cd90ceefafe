import type { Clock, Env } from '@orrery/runtime';
import { buildLayer } from '../fs/image-layer.ts';
import { type Mount, MountNamespace, MountPeers } from '../fs/mount-namespace.ts';
import { NodeTree } from '../fs/node-tree.ts';
import { procTree, sysTree } from '../fs/proc-tree.ts';
import { subTree } from '../fs/composed-tree.ts';
import type { Tree } from '../fs/tree.ts';
import { Vfs, resolvePath } from '../fs/vfs.ts';
import type { NodePids } from '../process/pid-space.ts';
import type { Machine as MachineView } from '../process/proc.ts';
import { capabilitiesOf } from './capabilities.ts';
import { logTrees } from './log-trees.ts';
import type { LogSink } from './logs.ts';
import type { MountSource } from './mounts.ts';

/** A mount whose tree is made when somebody looks into it. */
function lazily(mount: Omit<Mount, 'tree'>, make: () => Tree): Mount {
  let made: Tree | undefined;
  return {
    ...mount,
    get tree() {
      return (made ??= make());
    },
  };
}

/** /dev of the node, with the devices of characters that every machine has. */
function devices(clock: Clock): Tree {
  const names: readonly (readonly [string, string])[] = [['null', 'null'], ['zero', 'zero'], ['full', 'full'], ['random', 'random'], ['urandom', 'random'], ['tty', 'tty']];
  const root = buildLayer(Object.fromEntries(names.map(([name, device]) => [`/${name}`, { device }])));
  return new NodeTree({ root, now: () => clock.now(), source: 'devtmpfs', type: 'devtmpfs' });
}

/** What a node's directory is when it is mounted recursively: the tree there, and what is mounted in it. */
export interface Binding {
  readonly tree: Tree;
  /** By their paths on the node. */
  readonly within: readonly Mount[];
}

/** The node itself: what is mounted on it, its processes, and with which containers it shares mounts. */
export class Machine implements MachineView {
  readonly peers: MountPeers;
  private readonly source: MountSource;
  private readonly pids: NodePids;

  /** `beforeMount` is called before a mount shows up in several namespaces. */
  constructor(env: Env, options: { name: string; memoryBytes: number; cpus: number; source: MountSource; pids: NodePids; usedBytes: () => number; beforeMount: () => void; logs: LogSink | undefined }) {
    this.source = options.source;
    this.pids = options.pids;
    const startedAtMs = env.clock.now();
    const host = {
      hostname: options.name, clock: env.clock, bootTimeMs: startedAtMs, cpus: options.cpus, sysctls: {}, capabilities: capabilitiesOf({ privileged: true }), noNewPrivs: false, seccomp: false, oomScoreAdj: 0, userIds: undefined,
      memory: () => ({ limitBytes: options.memoryBytes, usedBytes: options.usedBytes() }),
    };
    const shared = (at: string, tree: () => Tree): Mount => lazily({ at, readOnly: false, node: { path: at, propagation: 'shared' } }, tree);
    this.peers = new MountPeers(
      [
        shared('/', () => this.source.open('/')),
        shared('/proc', () => procTree({ host, self: () => 1, processes: () => this.pids.list(), mounts: () => this.peers.host.mounts })),
        shared('/sys', () => sysTree(host)),
        shared('/dev', () => devices(env.clock)),
        ...logTrees(options.logs, env.clock).map(({ at, tree }) => shared(at, () => tree)),
      ],
      options.beforeMount,
    );
  }

  filesOf(pid: number): Vfs | undefined {
    return this.pids.isOwn(pid) ? new Vfs(this.peers.host) : this.pids.find(pid)?.fs;
  }

  /** The node's directory at a path, made where there is none. Its devices are nobody's to mount. */
  bind(hostPath: string): Binding {
    const path = resolvePath('/', hostPath);
    const mounts = this.peers.host.mounts.filter(({ at }) => at !== '/dev');
    const cover = new MountNamespace(mounts).covering(path);
    return {
      tree: cover.at === '/' ? this.source.open(path) : subTree(cover.tree, path.slice(cover.at.length).split('/').filter(Boolean)),
      within: mounts.filter(({ at }) => at !== '/' && at !== path && (path === '/' || at.startsWith(`${path}/`))),
    };
  }
}
