import type { HPAScalingRules, MetricIdentifier, MetricSpec, MetricTarget } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { pathSegment } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';

function checkTarget(target: MetricTarget | undefined, at: FieldPath): void {
  if (!target?.type) at.child('type').required('must specify a metric target type');
  else if (!['Utilization', 'Value', 'AverageValue'].includes(target.type)) {
    at.child('type').invalid(target.type, 'must be either Utilization, Value, or AverageValue');
  }
  if (target?.value !== undefined && compareQuantities(target.value, '0') <= 0) at.child('value').invalid(target.value, 'must be positive');
  if (target?.averageValue !== undefined && compareQuantities(target.averageValue, '0') <= 0) at.child('averageValue').invalid(target.averageValue, 'must be positive');
  if (target?.averageUtilization !== undefined && target.averageUtilization < 1) at.child('averageUtilization').invalid(target.averageUtilization, 'must be greater than 0');
}

function checkResourceTarget(target: MetricTarget | undefined, at: FieldPath): void {
  checkTarget(target, at.child('target'));
  if (target?.averageUtilization === undefined && target?.averageValue === undefined) {
    at.child('target').child('averageUtilization').required('must set either a target raw value or a target utilization');
  }
  if (target?.averageUtilization !== undefined && target.averageValue !== undefined) {
    at.child('target').child('averageValue').forbidden('may not set both a target raw value and a target utilization');
  }
}

function checkMetric(metric: MetricIdentifier | undefined, at: FieldPath): void {
  at.child('name').requires(metric?.name, pathSegment);
  checkLabelSelector(metric?.selector, at.child('selector'));
}

const typeNames = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

function checkSource(metric: MetricSpec, at: FieldPath): void {
  const { resource, containerResource, pods, object, external } = metric;
  if (resource) {
    if (!resource.name) at.child('resource').child('name').required('must specify a resource name');
    checkResourceTarget(resource.target, at.child('resource'));
  }
  if (containerResource) {
    if (!containerResource.name) at.child('containerResource').child('name').required('must specify a resource name');
    if (!containerResource.container) at.child('containerResource').child('container').required('must specify a container name');
    checkResourceTarget(containerResource.target, at.child('containerResource'));
  }
  if (pods) {
    checkMetric(pods.metric, at.child('pods').child('metric'));
    checkTarget(pods.target, at.child('pods').child('target'));
    if (pods.target?.averageValue === undefined) at.child('pods').child('target').child('averageValue').required('must specify a positive target averageValue');
  }
  if (object) {
    if (!object.describedObject?.kind) at.child('object').child('describedObject').child('kind').required();
    if (!object.describedObject?.name) at.child('object').child('describedObject').child('name').required();
    checkMetric(object.metric, at.child('object').child('metric'));
    checkTarget(object.target, at.child('object').child('target'));
    if (object.target?.value === undefined && object.target?.averageValue === undefined) at.child('object').child('target').child('averageValue').required('must set either a target value or averageValue');
  }
  if (external) {
    checkMetric(external.metric, at.child('external').child('metric'));
    checkTarget(external.target, at.child('external').child('target'));
    if (external.target?.value === undefined && external.target?.averageValue === undefined) at.child('external').child('target').child('averageValue').required('must set either a target value for metric or a per-pod target');
    if (external.target?.value !== undefined && external.target.averageValue !== undefined) at.child('external').child('target').child('value').forbidden('may not set both a target value for metric and a per-pod target');
  }
}

export function checkMetrics(metrics: readonly MetricSpec[] | undefined, { at, minReplicas }: { at: FieldPath; minReplicas: number | undefined }): void {
  let hasObject = false;
  for (const [i, metric] of (metrics ?? []).entries()) {
    const path = at.at(i);
    path.child('type').requiredOneOf(metric.type, typeNames);
    checkSource(metric, path);
    const type = metric.type ?? '';
    const field = `${type.charAt(0).toLowerCase()}${type.slice(1)}`;
    if (typeNames.includes(metric.type) && !(field in metric)) path.child(field).required('must populate information for the given metric source');
    if (metric.type === 'Object' || metric.type === 'External') hasObject = true;
  }
  if (minReplicas === 0 && !hasObject) at.forbidden('must specify at least one Object or External metric to support scaling to zero replicas');
}

const maxWindowSeconds = 3600;
const maxPeriodSeconds = 1800;

export function checkScalingRules(rules: HPAScalingRules | undefined, at: FieldPath): void {
  if (!rules) return;
  const window = rules.stabilizationWindowSeconds;
  if (window !== undefined && window < 0) at.child('stabilizationWindowSeconds').invalid(window, 'must be greater than or equal to zero');
  if (window !== undefined && window > maxWindowSeconds) at.child('stabilizationWindowSeconds').invalid(window, `must be less than or equal to ${maxWindowSeconds}`);
  at.child('selectPolicy').oneOf(rules.selectPolicy, ['Disabled', 'Max', 'Min']);
  if (!rules.policies?.length) at.child('policies').required('must specify at least one Policy');
  for (const [i, policy] of (rules.policies ?? []).entries()) {
    const path = at.child('policies').at(i);
    path.child('type').oneOf(policy.type, ['Percent', 'Pods']);
    if (policy.value <= 0) path.child('value').invalid(policy.value, 'must be greater than zero');
    if (policy.periodSeconds <= 0) path.child('periodSeconds').invalid(policy.periodSeconds, 'must be greater than zero');
    if (policy.periodSeconds > maxPeriodSeconds) path.child('periodSeconds').invalid(policy.periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`);
  }
}
