import type { ContainerStats, PodSandboxStats } from '@orrery/proto/cri';
import { ContainerState } from '@orrery/proto/cri';
import type { Container } from './container.ts';
import { nanoseconds } from './ids.ts';
import type { Sandbox } from './sandbox.ts';

const u64 = (value: number): { value: bigint } => ({ value: BigInt(Math.max(0, Math.round(value))) });

function cores(container: Container): number {
  if (!container.running) return 0;
  return container.steadyCores + (container.meter?.cores() ?? 0);
}

/** Accumulated use: the rate times the time since the start, so that nothing has to tick. */
function cpuNanoseconds(container: Container, nowMs: number): number {
  const end = container.running ? nowMs : container.finishedAtMs;
  const steady = container.startedAtMs ? container.steadyCores * (end - container.startedAtMs) : 0;
  return (steady + (container.meter?.cpuMs() ?? 0)) * 1e6;
}

export function containerStats(container: Container, nowMs: number): ContainerStats {
  const timestamp = nanoseconds(nowMs);
  const { labels, annotations, metadata } = container.config;
  const used = container.memoryUsed;
  const limit = container.memoryLimit;
  const attributes = { id: container.id, metadata, labels: labels ?? {}, annotations: annotations ?? {} };
  const layer = container.writable;
  const writableLayer = { timestamp, fsId: { mountpoint: '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs' }, usedBytes: u64(layer.bytes), inodesUsed: u64(layer.inodes) };
  if (!container.running) return { attributes, writableLayer };
  return {
    attributes,
    cpu: { timestamp, usageCoreNanoSeconds: u64(cpuNanoseconds(container, nowMs)), usageNanoCores: u64(cores(container) * 1e9) },
    memory: {
      timestamp,
      workingSetBytes: u64(used),
      usageBytes: u64(used),
      rssBytes: u64(used * 0.9),
      availableBytes: u64(limit ? limit - used : 0),
      pageFaults: u64(1000),
      majorPageFaults: u64(0),
    },
    writableLayer,
  };
}

export function sandboxStats(sandbox: Sandbox, nowMs: number): PodSandboxStats {
  const timestamp = nanoseconds(nowMs);
  const { metadata, labels, annotations } = sandbox.config;
  const live = [...sandbox.containers.values()].filter((c) => c.state === ContainerState.CONTAINER_RUNNING);
  const containers = live.map((container) => containerStats(container, nowMs));
  const sum = (pick: (stats: ContainerStats) => bigint | undefined): { value: bigint } => ({ value: containers.reduce((total, stats) => total + (pick(stats) ?? 0n), 0n) });
  const bytes = live.reduce((total, container) => total + (container.output?.bytesWritten ?? 0), 0);
  return {
    attributes: { id: sandbox.id, metadata, labels: labels ?? {}, annotations: annotations ?? {} },
    linux: {
      cpu: { timestamp, usageCoreNanoSeconds: sum((s) => s.cpu?.usageCoreNanoSeconds?.value), usageNanoCores: sum((s) => s.cpu?.usageNanoCores?.value) },
      memory: {
        timestamp,
        workingSetBytes: sum((s) => s.memory?.workingSetBytes?.value),
        usageBytes: sum((s) => s.memory?.usageBytes?.value),
        rssBytes: sum((s) => s.memory?.rssBytes?.value),
        availableBytes: u64(0),
        pageFaults: u64(0),
        majorPageFaults: u64(0),
      },
      network: { timestamp, defaultInterface: { name: 'eth0', rxBytes: u64(0), rxErrors: u64(0), txBytes: u64(bytes), txErrors: u64(0) }, interfaces: [] },
      process: { timestamp, processCount: u64(live.reduce((total, container) => total + (container.table?.size ?? 0), 0)) },
      containers,
    },
  };
}

/** What the writable layers of containers take together. */
export function writableUse(containers: Iterable<Container>): { bytes: number; inodes: number } {
  const sum = { bytes: 0, inodes: 0 };
  for (const { writable } of containers) {
    sum.bytes += writable.bytes;
    sum.inodes += writable.inodes;
  }
  return sum;
}
