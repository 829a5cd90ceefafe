import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../../gen/types.ts';

const unknown = '<unknown>';
const shown = 2;

/** `cpu: 12%/80%`, or amounts where the target is one. */
function resource(name: string, { target, current }: { target: MetricTarget | undefined; current: MetricValueStatus | undefined }): string {
  if (target?.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
  const wanted = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
  return `${name}: ${now}/${wanted}`;
}

function amount(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
  return `${current?.value ?? unknown}/${target?.value ?? '<auto>'}`;
}

function format(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'Resource':
      return resource(spec.resource?.name ?? '', { target: spec.resource?.target, current: status?.resource?.current });
    case 'ContainerResource':
      return resource(spec.containerResource?.name ?? '', { target: spec.containerResource?.target, current: status?.containerResource?.current });
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? unknown}/${spec.pods?.target?.averageValue ?? ''}`;
    case 'Object':
      return amount(spec.object?.target, status?.object?.current);
    case 'External':
      return amount(spec.external?.target, status?.external?.current);
    default:
      return '<unknown type>';
  }
}

/** What is measured against what is wanted, the first two of them. */
export function formatTargets({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const list = metrics.slice(0, shown).map((metric, i) => format(metric, status?.currentMetrics?.[i])).join(', ');
  return metrics.length > shown ? `${list} + ${metrics.length - shown} more...` : list;
}
