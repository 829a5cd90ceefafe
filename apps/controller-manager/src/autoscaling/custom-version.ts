import { compareVersions } from '@orrery/api';
import type { APIService } from '@orrery/api/types';
import { MetricError } from './readings.ts';

const group = 'custom.metrics.k8s.io';

/** Those that a reading can be made of. */
const known = new Set(['v1beta2', 'v1beta1']);

const isAvailable = ({ status }: APIService): boolean => status?.conditions?.some(({ type, status: is }) => type === 'Available' && is === 'True') ?? false;

/**
 * The version in which custom metrics are asked for: of those whose server is there the one that discovery puts first (the highest
 * priority, then the newest), so far as it can be read, else the next. Upstream reads discovery; it follows from the same objects.
 * Throws MetricError.
 */
export function customMetricsVersion(services: Iterable<APIService>): string {
  const served = [...services].filter(({ spec }) => spec?.group === group);
  if (served.length === 0) throw new MetricError(`no custom metrics API (${group}) registered`);
  const available = served.filter(isAvailable).map(({ spec }) => ({ version: spec?.version ?? '', priority: spec?.versionPriority ?? 0 }));
  const first = available.sort((a, b) => b.priority - a.priority || compareVersions(a.version, b.version)).find(({ version }) => known.has(version));
  if (!first) throw new MetricError('no known available metric versions found');
  return first.version;
}
