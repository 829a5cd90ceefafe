import type { LinuxContainerResources } from '@orrery/proto/cri';

/**
 * The weight of version 2 for the shares of version 1: a quadratic function of the logarithm that maps 2, 1024 and 262144 to 1, 100 and
 * 10000, as runc 1.3.2 and crun 1.23 have it.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return shares === 0 ? 100 : 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** What lies in a container's directory of the control groups (version 2). */
export function cgroupFiles(resources: LinuxContainerResources, memoryUsed: number): Readonly<Record<string, string>> {
  const { cpuQuota = 0n, cpuPeriod = 0n, cpuShares = 0n, memoryLimitInBytes = 0n } = resources;
  return {
    'cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc',
    'cpu.max': `${cpuQuota > 0n ? cpuQuota : 'max'} ${cpuPeriod > 0n ? cpuPeriod : 100_000n}`,
    'cpu.weight': String(cpuWeight(Number(cpuShares))),
    'memory.current': String(memoryUsed),
    'memory.max': memoryLimitInBytes > 0n ? String(memoryLimitInBytes) : 'max',
    'memory.swap.max': '0',
    'pids.max': 'max',
  };
}
