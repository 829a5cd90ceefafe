import { readFileSync, readdirSync } from 'node:fs';
import type { Metrics } from '@orrery/runtime';

const startSeconds = performance.timeOrigin / 1000;

/** Numbers of /proc, where there is one. */
function fromProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function maxFiles(): number | undefined {
  const found = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Bytes of address space: the first number of statm, in pages of 4 KiB. */
const virtualBytes = (): number => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * 4096;

/** Adds what every program tells of its process, named as Prometheus' clients name it. */
export function withProcessMetrics(metrics: Metrics): Metrics {
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    metrics.collect(name, { type: 'gauge', help }, () => {
      const value = read();
      return value === undefined ? [] : [{ value }];
    });
  metrics.collect('process_cpu_seconds_total', { type: 'counter', help: 'Total user and system CPU time spent in seconds.' }, () => {
    const { user, system } = process.cpuUsage();
    return [{ value: (user + system) / 1e6 }];
  });
  gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => startSeconds);
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', () => fromProc(virtualBytes));
  gauge('process_open_fds', 'Number of open file descriptors.', () => fromProc(() => readdirSync('/proc/self/fd').length));
  gauge('process_max_fds', 'Maximum number of open file descriptors.', () => fromProc(maxFiles));
  gauge('nodejs_heap_size_total_bytes', 'Process heap size from Node.js in bytes.', () => process.memoryUsage().heapTotal);
  gauge('nodejs_heap_size_used_bytes', 'Process heap size used from Node.js in bytes.', () => process.memoryUsage().heapUsed);
  return metrics;
}
