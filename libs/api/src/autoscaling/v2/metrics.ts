import type { CrossVersionObjectReference, HPAScalingRules, MetricIdentifier, MetricSpec, MetricTarget } from '../../../gen/types.ts';
import { checkContainerResourceName } from '../../core/v1/pod-template/resource-names.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { nonNegativeMessage } from '../../validation/fields.ts';
import { dns1123Label, pathSegment } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';

function checkTarget(target: MetricTarget | undefined, at: FieldPath): void {
  const { type = '', value, averageValue, averageUtilization } = target ?? {};
  if (type === '') at.child('type').required('must specify a metric target type');
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) at.child('type').invalid(type, 'must be either Utilization, Value, or AverageValue');
  if (value !== undefined && compareQuantities(value, '0') <= 0) at.child('value').invalid(value, 'must be positive');
  if (averageValue !== undefined && compareQuantities(averageValue, '0') <= 0) at.child('averageValue').invalid(averageValue, 'must be positive');
  if (averageUtilization !== undefined && averageUtilization < 1) at.child('averageUtilization').invalid(averageUtilization, 'must be greater than 0');
}

function checkResourceTarget(target: MetricTarget | undefined, at: FieldPath): void {
  checkTarget(target, at);
  if (target?.averageUtilization === undefined && target?.averageValue === undefined) {
    at.child('averageUtilization').required('must set either a target raw value or a target utilization');
  }
  if (target?.averageUtilization !== undefined && target.averageValue !== undefined) {
    at.child('averageValue').forbidden('may not set both a target raw value and a target utilization');
  }
}

function checkMetric(metric: MetricIdentifier | undefined, at: FieldPath): void {
  if (!metric?.name) at.child('name').required('must specify a metric name');
  else at.child('name').matches(metric.name, pathSegment);
}

/** What is scaled, or what an Object metric describes. */
export function checkTargetReference(reference: CrossVersionObjectReference | undefined, at: FieldPath): void {
  at.child('kind').requires(reference?.kind, pathSegment);
  at.child('name').requires(reference?.name, pathSegment);
}

type Sources = Required<Pick<MetricSpec, 'object' | 'external' | 'pods' | 'resource' | 'containerResource'>>;

/** In upstream's order: only the first source of a metric is looked at. */
const sources: { readonly [K in keyof Sources]: (source: Sources[K], at: FieldPath) => void } = {
  object({ describedObject, metric, target }, at) {
    checkTargetReference(describedObject, at.child('describedObject'));
    checkMetric(metric, at.child('metric'));
    checkTarget(target, at.child('target'));
    if (target?.value === undefined && target?.averageValue === undefined) at.child('target').child('averageValue').required('must set either a target value or averageValue');
  },
  external({ metric, target }, at) {
    checkMetric(metric, at.child('metric'));
    checkTarget(target, at.child('target'));
    if (target?.value === undefined && target?.averageValue === undefined) at.child('target').child('averageValue').required('must set either a target value for metric or a per-pod target');
    if (target?.value !== undefined && target.averageValue !== undefined) at.child('target').child('value').forbidden('may not set both a target value for metric and a per-pod target');
  },
  pods({ metric, target }, at) {
    checkMetric(metric, at.child('metric'));
    checkTarget(target, at.child('target'));
    if (target?.averageValue === undefined) at.child('target').child('averageValue').required('must specify a positive target averageValue');
  },
  resource({ name, target }, at) {
    if (!name) at.child('name').required('must specify a resource name');
    checkResourceTarget(target, at.child('target'));
  },
  containerResource({ name, container, target }, at) {
    if (!name) at.child('name').required('must specify a resource name');
    else checkContainerResourceName(name, at.child('name'));
    if (!container) at.child('container').required('must specify a container');
    else at.child('container').matches(container, dns1123Label);
    checkResourceTarget(target, at.child('target'));
  },
};

const sourceNames = Object.keys(sources) as (keyof Sources)[];
const typeNames = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

/** A type that is not known is told of twice, as upstream does. */
function checkSpec(metric: MetricSpec, at: FieldPath): void {
  const type = metric.type ?? '';
  const isKnown = typeNames.includes(type);
  if (type === '') at.child('type').required('must specify a metric source type');
  if (!isKnown) at.child('type').notSupported(type, typeNames);
  const present = sourceNames.filter((name) => metric[name] !== undefined);
  const [first] = present;
  if (first) (sources[first] as (source: unknown, at: FieldPath) => void)(metric[first], at.child(first));
  const expected = `${type.charAt(0).toLowerCase()}${type.slice(1)}`;
  if (!isKnown) at.child('type').notSupported(type, typeNames);
  else if (metric[expected as keyof Sources] === undefined) at.child(expected).required('must populate information for the given metric source');
  if (present.length === 1) return;
  for (const name of present) if (name !== expected) at.child(name).forbidden('must populate the given metric source only');
}

export function checkMetrics(metrics: readonly MetricSpec[] | undefined, { at, minReplicas }: { at: FieldPath; minReplicas: number | undefined }): void {
  for (const [i, metric] of (metrics ?? []).entries()) checkSpec(metric, at.at(i));
  const hasObject = (metrics ?? []).some(({ type }) => type === 'Object' || type === 'External');
  if (minReplicas === 0 && !hasObject) at.forbidden('must specify at least one Object or External metric to support scaling to zero replicas');
}

const maxWindowSeconds = 3600;
const maxPeriodSeconds = 1800;

const selections = ['Disabled', 'Max', 'Min'];
const policyTypes = ['Percent', 'Pods'];

export function checkScalingRules(rules: HPAScalingRules | undefined, at: FieldPath): void {
  if (!rules) return;
  const window = rules.stabilizationWindowSeconds;
  if (window !== undefined && window < 0) at.child('stabilizationWindowSeconds').invalid(window, 'must be greater than or equal to zero');
  if (window !== undefined && window > maxWindowSeconds) at.child('stabilizationWindowSeconds').invalid(window, `must be less than or equal to ${maxWindowSeconds}`);
  const { selectPolicy, tolerance } = rules;
  if (selectPolicy !== undefined && !selections.includes(selectPolicy)) at.child('selectPolicy').notSupported(selectPolicy, selections);
  if (!rules.policies?.length) at.child('policies').required('must specify at least one Policy');
  for (const [i, policy] of (rules.policies ?? []).entries()) {
    const path = at.child('policies').at(i);
    if (!policyTypes.includes(policy.type)) path.child('type').notSupported(policy.type ?? '', policyTypes);
    if (policy.value <= 0) path.child('value').invalid(policy.value, 'must be greater than zero');
    if (policy.periodSeconds <= 0) path.child('periodSeconds').invalid(policy.periodSeconds, 'must be greater than zero');
    if (policy.periodSeconds > maxPeriodSeconds) path.child('periodSeconds').invalid(policy.periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`);
  }
  if (tolerance !== undefined && compareQuantities(tolerance, '0') < 0) at.child('tolerance').invalid(tolerance, nonNegativeMessage);
}
