import type { AutoscalingV1HorizontalPodAutoscaler as Old, HorizontalPodAutoscaler as New, MetricSpec, MetricStatus } from '../../../gen/types.ts';

const prefix = 'autoscaling.alpha.kubernetes.io/';

/** What v1 has no field for travels in annotations: their names and the v2 fields they stand for. */
const annotations = { metrics: `${prefix}metrics`, behavior: `${prefix}behavior`, conditions: `${prefix}conditions`, current: `${prefix}current-metrics` };

const isCpu = (metric: MetricSpec | MetricStatus): boolean => metric.type === 'Resource' && metric.resource?.name === 'cpu';

function parse<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    // As upstream: an annotation that cannot be read is left out.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function put(target: Record<string, string>, key: string, value: unknown): void {
  const empty = value === undefined || (Array.isArray(value) && value.length === 0);
  if (!empty) target[key] = JSON.stringify(value);
}

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

export function toV2(old: Old): New {
  const kept = { ...old.metadata?.annotations };
  const extra = parse<MetricSpec[]>(kept[annotations.metrics]) ?? [];
  const currentExtra = parse<MetricStatus[]>(kept[annotations.current]) ?? [];
  const behavior = parse<NonNullable<New['spec']>['behavior']>(kept[annotations.behavior]);
  const conditions = parse<NonNullable<New['status']>['conditions']>(kept[annotations.conditions]);
  for (const key of Object.values(annotations)) delete kept[key];
  const { targetCPUUtilizationPercentage: percent, ...spec } = old.spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } };
  const cpu: MetricSpec[] = percent === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }];
  const metrics = [...cpu, ...extra];
  const metadata = defined({ ...old.metadata, annotations: Object.keys(kept).length > 0 ? kept : undefined });
  return defined({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: old.spec ? defined({ ...spec, metrics: metrics.length > 0 ? metrics : undefined, behavior }) : undefined,
    status: old.status ? statusToV2(old.status, { conditions, extra: currentExtra }) : undefined,
  }) as New;
}

function statusToV2(status: NonNullable<Old['status']>, { conditions, extra }: { conditions: NonNullable<New['status']>['conditions']; extra: MetricStatus[] }): NonNullable<New['status']> {
  const { currentCPUUtilizationPercentage: percent, ...same } = status;
  const stored = extra.find(isCpu)?.resource?.current;
  const cpu: MetricStatus[] = percent === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', current: defined({ averageValue: stored?.averageValue, averageUtilization: percent }) } }];
  const metrics = [...cpu, ...extra.filter((metric) => !isCpu(metric))];
  return defined({ ...same, currentMetrics: metrics.length > 0 ? metrics : undefined, conditions });
}

export function fromV2(object: New): Old {
  const { metrics = [], behavior, ...spec } = object.spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } };
  const cpu = metrics.find((metric) => isCpu(metric) && metric.resource?.target.averageUtilization !== undefined);
  const { currentMetrics, conditions, ...status } = object.status ?? { desiredReplicas: 0 };
  const added = { ...object.metadata?.annotations };
  put(added, annotations.metrics, metrics.filter((metric) => metric !== cpu));
  put(added, annotations.behavior, behavior);
  put(added, annotations.conditions, conditions);
  put(added, annotations.current, currentMetrics ?? undefined);
  const current = (currentMetrics ?? []).find(isCpu)?.resource?.current?.averageUtilization;
  return defined({
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: defined({ ...object.metadata, annotations: Object.keys(added).length > 0 ? added : undefined }),
    spec: object.spec ? defined({ ...spec, targetCPUUtilizationPercentage: cpu?.resource?.target.averageUtilization }) : undefined,
    status: object.status ? defined({ ...status, currentReplicas: status.currentReplicas ?? 0, currentCPUUtilizationPercentage: current }) : undefined,
  }) as Old;
}
