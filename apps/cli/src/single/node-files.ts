import { mkdirSync } from 'node:fs';
import { type MountSource, hostTree, memoryMounts } from '@orrery/container-runtime/component';
import { DirectoryTree, MemoryVolumeHost, type VolumeHost, directoryVolumeHost, inNodeRoot, makeNodeSkeleton, pathParts, volumesInNodeRoot } from '@orrery/cri';
import type { Env } from '@orrery/runtime';

/** What a kubelet makes anew for every pod: kept in memory, which is why thousands of pods are cheap. */
const podsDir = ['var', 'lib', 'kubelet'];

/** Whether a path of the node lies on disk: all but the kubelet's directory, what is in it and what it is in. */
export function isOnDisk(path: string): boolean {
  const parts = pathParts(path);
  return podsDir.some((part, i) => i < parts.length && parts[i] !== part);
}

/** The file system of an emulated node of this process, as its kubelet and its runtime see it. */
export interface NodeFiles {
  readonly volumes: VolumeHost;
  readonly mounts: MountSource;
}

/**
 * Pods' own directories in memory, everything else (hostPath, local and provisioned volumes) below `root`, so that it outlives the
 * process. Nothing is made there before it is asked for; then the node has what every machine has.
 */
export function nodeFiles({ clock, random }: Env, { root, ...identity }: { root: string; hostname: string; ip: string }): NodeFiles {
  const memory = new MemoryVolumeHost(clock.now);
  const inMemory = memoryMounts(memory, clock);
  const disk = volumesInNodeRoot(directoryVolumeHost({ stamp: () => `${clock.now()}.${random.name(6)}` }), root);
  let made = false;
  const skeleton = (): void => {
    if (!made) makeNodeSkeleton(root, identity);
    made = true;
  };
  const at = (path: string): VolumeHost => {
    if (!isOnDisk(path)) return memory;
    skeleton();
    return disk;
  };
  return {
    volumes: {
      writeVolume: (path, files, directory) => at(path).writeVolume(path, files, directory),
      writeFile: (path, file) => at(path).writeFile(path, file),
      readFile: (path, maxBytes) => at(path).readFile(path, maxBytes),
      makeDir: (path, attributes) => at(path).makeDir(path, attributes),
      kind: (path) => at(path).kind(path),
      resolve: (path) => at(path).resolve(path),
      list: (path) => at(path).list(path),
      usage: (path) => at(path).usage(path),
      remove: (path) => at(path).remove(path),
    },
    mounts: {
      open(path) {
        if (!isOnDisk(path)) return inMemory.open(path);
        skeleton();
        const real = inNodeRoot(root, path);
        const tree = new DirectoryTree(real);
        if (!tree.stat([])) mkdirSync(real, { recursive: true });
        return hostTree(tree);
      },
    },
  };
}
