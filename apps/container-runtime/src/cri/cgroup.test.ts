import { expect, test } from 'vitest';
import { cgroupFiles, cpuWeight } from './cgroup.ts';

test.each([[0, 100], [2, 1], [102, 17], [512, 59], [1024, 100], [2048, 174], [262_144, 10_000], [999_999, 10_000]])('%d shares weigh %d', (shares, weight) => expect(cpuWeight(shares)).toBe(weight));

test('limits, and none', () => {
  expect(cgroupFiles({ cpuQuota: 20_000n, cpuPeriod: 100_000n, cpuShares: 204n, memoryLimitInBytes: 64n }, 10)).toMatchObject({ 'cpu.max': '20000 100000', 'memory.max': '64', 'memory.current': '10' });
  expect(cgroupFiles({}, 0)).toMatchObject({ 'cpu.max': 'max 100000', 'memory.max': 'max', 'cpu.weight': '100' });
});
