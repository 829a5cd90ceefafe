import { existsSync, mkdirSync } from 'node:fs';
import { type MountSource, type Tree, graftedTree, hostTree, memoryMounts } from '@orrery/container-runtime/component';
import { DirectoryTree, MemoryMounts, MemoryVolumeHost, type NodeMounts, type VolumeHost, directoryVolumeHost, inNodeRoot, makeNodeSkeleton, mountAt, mountedTree, pathParts, startsEmpty, volumesInNodeRoot } from '@orrery/cri';
import type { Env } from '@orrery/runtime';

/** What a kubelet makes anew for every pod: kept in memory, which is why thousands of pods are cheap. */
const podsDir = ['var', 'lib', 'kubelet'];
const podsPrefix = `/${podsDir.join('/')}/`;

/** Whether a path of the node lies on disk: all but the kubelet's directory, what is in it and what it is in. */
export function isOnDisk(path: string): boolean {
  if (path.startsWith(podsPrefix) && !path.includes('..')) return false;
  const parts = pathParts(path);
  return podsDir.some((part, i) => i < parts.length && parts[i] !== part);
}

/** The file system of an emulated node of this process, as its kubelet and its runtime see it. */
export interface NodeFiles {
  readonly volumes: VolumeHost;
  readonly mounts: MountSource;
  /** Disks that are mounted; what is below is on them. */
  readonly disks: NodeMounts;
}

/** Volumes at a path where a disk is mounted, on the disk. */
function onDisk(host: VolumeHost, { at, source }: { at: string; source: string }): VolumeHost {
  const disk = volumesInNodeRoot(host, source);
  const within = (path: string): string => `/${pathParts(path).join('/')}`.slice(at.length) || '/';
  return {
    writeVolume: (path, files, directory) => disk.writeVolume(within(path), files, directory),
    writeFile: (path, file) => disk.writeFile(within(path), file),
    writeCheckpoint: (path, text) => disk.writeCheckpoint(within(path), text),
    readFile: (path, maxBytes) => disk.readFile(within(path), maxBytes),
    makeDir: (path, attributes) => disk.makeDir(within(path), attributes),
    kind: (path) => disk.kind(within(path)),
    async resolve(path) {
      const found = await disk.resolve(within(path));
      return found && { ...found, path: found.path === '/' ? at : `${at}${found.path}` };
    },
    list: (path) => disk.list(within(path)),
    usage: (path) => disk.usage(within(path)),
    giveToGroup: (path, options) => disk.giveToGroup(within(path), options),
    async remove(path) {
      if (within(path) === '/') throw new Error(`${path} is mounted`);
      await disk.remove(within(path));
    },
  };
}

/**
 * Pods' own directories in memory, everything else (hostPath, local and provisioned volumes) below `root`, so that it outlives the
 * process. Nothing is made there before it is asked for; then the node has what every machine has.
 */
export function nodeFiles({ clock, random }: Env, { root, ...identity }: { root: string; hostname: string; ip: string }): NodeFiles {
  const memory = new MemoryVolumeHost(clock.now);
  const inMemory = memoryMounts(memory, clock);
  const directories = directoryVolumeHost({ stamp: () => `${clock.now()}.${random.name(6)}` });
  const disk = volumesInNodeRoot(directories, root);
  const disks = new MemoryMounts();
  let made = false;
  const skeleton = (): void => {
    if (!made) makeNodeSkeleton(root, identity);
    made = true;
  };
  const at = (path: string): VolumeHost => {
    const mounted = mountAt(disks.list(), path);
    if (mounted) return onDisk(directories, { at: mounted.at, source: mounted.mount.source });
    if (!isOnDisk(path)) return memory;
    skeleton();
    return disk;
  };
  /** Thousands of kubelets look at their start at what pods have left: none needs to have the directory for it. */
  const isEmptyYet = (path: string): boolean => !made && startsEmpty(path) && !mountAt(disks.list(), path) && !existsSync(inNodeRoot(root, path));
  const onRealDisk = (path: string): DirectoryTree => {
    skeleton();
    return new DirectoryTree(inNodeRoot(root, path));
  };
  /** A directory on the way to the kubelet's is on disk but for that. */
  const withPods = (path: string): Tree | undefined => {
    const parts = pathParts(path);
    return parts.length < podsDir.length && !isOnDisk(path) ? graftedTree(hostTree(onRealDisk(path)), podsDir.slice(parts.length), inMemory.open(`/${podsDir.join('/')}`)) : undefined;
  };
  return {
    disks,
    volumes: {
      writeVolume: (path, files, directory) => at(path).writeVolume(path, files, directory),
      writeFile: (path, file) => at(path).writeFile(path, file),
      writeCheckpoint: (path, text) => at(path).writeCheckpoint(path, text),
      readFile: (path, maxBytes) => at(path).readFile(path, maxBytes),
      makeDir: (path, attributes) => at(path).makeDir(path, attributes),
      kind: (path) => at(path).kind(path),
      resolve: (path) => at(path).resolve(path),
      list: async (path) => (isEmptyYet(path) ? [] : at(path).list(path)),
      usage: (path) => at(path).usage(path),
      giveToGroup: (path, options) => at(path).giveToGroup(path, options),
      mountedBelow: async (path) => [...disks.list().keys()].filter((place) => place.startsWith(`${path}/`)),
      remove: (path) => at(path).remove(path),
    },
    mounts: {
      find(path) {
        const mounted = mountAt(disks.list(), path);
        const tree = mounted && mountedTree(disks, { path, real: inNodeRoot(mounted.mount.source, path.slice(mounted.at.length)) });
        if (!tree && !isOnDisk(path)) return withPods(path) ?? inMemory.find(path);
        if (!tree) skeleton();
        const found = tree ?? new DirectoryTree(inNodeRoot(root, path));
        return found.stat([]) && hostTree(found);
      },
      open(path) {
        const mounted = mountAt(disks.list(), path);
        const tree = mounted && mountedTree(disks, { path, real: inNodeRoot(mounted.mount.source, path.slice(mounted.at.length)) });
        if (tree) return hostTree(tree);
        if (!isOnDisk(path)) return withPods(path) ?? inMemory.open(path);
        skeleton();
        const real = inNodeRoot(root, path);
        const below = new DirectoryTree(real);
        if (!below.stat([])) mkdirSync(real, { recursive: true });
        return hostTree(below);
      },
    },
  };
}
