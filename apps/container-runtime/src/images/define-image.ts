import { type ImageEntry, buildLayer, treeBytes } from '../fs/image-layer.ts';
import type { DirectoryNode } from '../fs/node-tree.ts';
import { executableFile } from '../process/executable.ts';
import type { Program } from '../process/proc.ts';

/** What an image's author writes: one file an image, one line in images/index.ts. */
export interface ImageDefinition {
  /** Repositories without tag, short (`nginx`, `hashicorp/http-echo`) or with a registry (`registry.k8s.io/pause`). */
  readonly names: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What some tags add to `env`: one definition, several versions. */
  readonly tagEnv?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly workdir?: string;
  /** Numeric user or `user:group`. */
  readonly user?: string;
  readonly stopSignal?: 'SIGQUIT' | 'SIGINT' | 'SIGTERM' | 'SIGWINCH';
  /** Files below the base image's; `base: 'none'` starts empty, default is busybox. */
  readonly files?: Readonly<Record<string, ImageEntry>>;
  readonly base?: 'busybox' | 'none';
  /** Executables: path to program. */
  readonly programs?: Readonly<Record<string, Program>>;
  /** Download size to report, bytes. */
  readonly sizeBytes: number;
  /** Working set to report while it idles, bytes. */
  readonly memoryBytes?: number;
  /** CPU that a request costs its server, milliseconds. */
  readonly requestCpuMs?: number;
  /** Commands that do not exist run quietly instead of failing: for images whose content we do not know. */
  readonly lenient?: boolean;
  /** Tags that cannot be pulled. */
  readonly missingTags?: readonly string[];
  /** Only those who show credentials may pull it. */
  readonly needsLogin?: boolean;
}

/** An image ready to run: its layer is built when a container first looks into it. */
export interface EmulatedImage extends ImageDefinition {
  readonly root: () => DirectoryNode;
  readonly programTable: ReadonlyMap<string, Program>;
  readonly layerBytes: () => number;
}

/** The tools that images inherit. */
export interface BaseLayer {
  readonly files: Readonly<Record<string, ImageEntry>>;
  readonly programs: ReadonlyMap<string, Program>;
}

/** What a runtime gives every container, whatever its image. */
const skeleton: Readonly<Record<string, ImageEntry>> = {
  '/dev/null': { device: 'null' },
  '/dev/zero': { device: 'zero' },
  '/dev/full': { device: 'full' },
  '/dev/random': { device: 'random' },
  '/dev/urandom': { device: 'random' },
  '/dev/tty': { device: 'tty' },
  '/dev/console': { device: 'tty' },
  '/dev/stdin': { device: 'fd0' },
  '/dev/stdout': { device: 'fd1' },
  '/dev/stderr': { device: 'fd2' },
  '/dev/shm': { directory: true, mode: 0o1777 },
  '/dev/pts': { directory: true },
  '/etc/hosts': '127.0.0.1\tlocalhost\n',
  '/proc': { directory: true },
  '/sys': { directory: true },
};

/** Builds an image over a base. Program files are named by their path, so two images may have different `/bin/server`. */
export function defineImage(definition: ImageDefinition, base: BaseLayer): EmulatedImage {
  const inherits = definition.base !== 'none';
  const programTable = new Map(inherits ? base.programs : []);
  const executables: Record<string, ImageEntry> = {};
  for (const [path, program] of Object.entries(definition.programs ?? {})) {
    programTable.set(path, program);
    executables[path] = executableFile(path);
  }
  let root: DirectoryNode | undefined;
  const build = (): DirectoryNode => (root ??= buildLayer({ ...skeleton, ...(inherits ? base.files : {}), ...executables, ...definition.files }));
  return { ...definition, root: build, programTable, layerBytes: () => treeBytes(build()) };
}
