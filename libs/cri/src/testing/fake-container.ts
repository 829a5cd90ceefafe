import { type ContainerConfig, type ContainerStats, type ContainerStatus, type LinuxContainerResources, ContainerState } from '@orrery/proto/cri';
import type { Timer } from '@orrery/runtime';

/** What a container of the fake does once it is started. Default: runs until it is stopped, exits 0 on SIGTERM at once. */
export interface FakeScript {
  /** Exits by itself after this long. */
  exitAfterMs?: number;
  exitCode?: number;
  /** Reason as runtimes give it, e.g. OOMKilled; else Completed for 0 and Error. */
  reason?: string;
  message?: string;
  /** Working set that its stats report; default 0. */
  memoryBytes?: number;
  /** What its writable layer takes; default 0. */
  diskBytes?: number;
  /** How long it takes to end after SIGTERM; Infinity ignores it and waits for SIGKILL. */
  stopMs?: number;
  /** CreateContainer or StartContainer fails with this message. */
  createError?: string;
  startError?: string;
  /** What ExecSync answers; default exit 0 without output. */
  exec?: (command: readonly string[]) => { exitCode: number; stdout?: string; stderr?: string };
}

export interface FakeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly script: FakeScript;
  readonly logPath: string;
  readonly createdAt: bigint;
  /** What UpdateContainerResources was asked for, in order. */
  readonly updates: LinuxContainerResources[];
  state: ContainerState;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  reason: string;
  message: string;
  /** When it ends by itself, or after SIGTERM. */
  exit?: Timer;
  /** Called when it has ended. */
  waiters: (() => void)[];
}

/** What CRI tells of the container's use; of one that does not run, its disk alone. */
export function statsOf({ id, config, script, state }: FakeContainer): ContainerStats {
  const u64 = (value = 0): { value: bigint } => ({ value: BigInt(value) });
  const memory = state === ContainerState.CONTAINER_RUNNING ? { memory: { workingSetBytes: u64(script.memoryBytes) } } : {};
  return { attributes: { id, metadata: config.metadata }, ...memory, writableLayer: { usedBytes: u64(script.diskBytes), inodesUsed: u64(1) } };
}

export function statusOf(container: FakeContainer): ContainerStatus {
  const { config } = container;
  return {
    id: container.id,
    metadata: config.metadata,
    state: container.state,
    createdAt: container.createdAt,
    startedAt: container.startedAt,
    finishedAt: container.finishedAt,
    exitCode: container.exitCode,
    image: config.image,
    imageRef: config.image?.image,
    imageId: config.image?.image,
    reason: container.reason,
    message: container.message,
    labels: config.labels,
    annotations: config.annotations,
    mounts: config.mounts,
    logPath: container.logPath,
  };
}
