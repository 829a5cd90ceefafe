import { expect, it } from 'vitest';
import { problems } from '../../testing/kind-cases.ts';
import { horizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';

const spec = { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' } };
const target = { type: 'AverageValue', averageValue: '1' };
const metric = (one: object): object => ({ ...spec, metrics: [one] });
const types = 'supported values: "ContainerResource", "External", "Object", "Pods", "Resource"';
const rules = (scaleUp: object): object => ({ ...spec, behavior: { scaleUp } });
const at = 'spec.metrics[0]';
const up = 'spec.behavior.scaleUp';

it.each<[string, object, string[]]>([
  ['one', spec, []],
  ['no target', { maxReplicas: 1 }, ['spec.scaleTargetRef.kind: Required value', 'spec.scaleTargetRef.name: Required value']],
  ['fewer at most than at least', { ...spec, minReplicas: 4 }, ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`']],
  ['nothing at least', { ...spec, minReplicas: 0 }, ['spec.minReplicas: Invalid value: 0: must be greater than or equal to 1', 'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas']],
  ['a metric of no type', metric({}), [`${at}.type: Required value: must specify a metric source type`, `${at}.type: Unsupported value: "": ${types}`, `${at}.type: Unsupported value: "": ${types}`]],
  ['a metric without source', metric({ type: 'Pods' }), [`${at}.pods: Required value: must populate information for the given metric source`]],
  ['two sources', metric({ type: 'Pods', pods: { metric: { name: 'm' }, target }, resource: { name: 'cpu', target } }), [`${at}.resource: Forbidden: must populate the given metric source only`]],
  ['a nameless metric', metric({ type: 'Pods', pods: { metric: {}, target } }), [`${at}.pods.metric.name: Required value: must specify a metric name`]],
  ['no amount', metric({ type: 'External', external: { metric: { name: 'm' }, target: { type: 'Value' } } }), [`${at}.external.target.averageValue: Required value: must set either a target value for metric or a per-pod target`]],
  ['two amounts', metric({ type: 'Resource', resource: { name: 'cpu', target: { ...target, averageUtilization: 5 } } }), [`${at}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`]],
  ['a target of no type', metric({ type: 'Resource', resource: { name: 'cpu', target: { averageValue: '1' } } }), [
    `${at}.resource.target.type: Required value: must specify a metric target type`, `${at}.resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue`,
  ]],
  ['a container', metric({ type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target } }), []],
  ['a container without name', metric({ type: 'ContainerResource', containerResource: { name: 'cpu', target } }), [`${at}.containerResource.container: Required value: must specify a container`]],
  ['an object of no kind', metric({ type: 'Object', object: { describedObject: { name: 'n' }, metric: { name: 'm' }, target } }), [`${at}.object.describedObject.kind: Required value`]],
  ['nothing below zero', metric({ type: 'Resource', resource: { name: 'cpu', target: { ...target, averageValue: '0' } } }), [`${at}.resource.target.averageValue: Invalid value: "0": must be positive`]],
  ['tolerance', rules({ tolerance: '100m' }), []],
  ['tolerance below zero', rules({ tolerance: '-1' }), [`${up}.tolerance: Invalid value: "-1": must be greater than or equal to 0`]],
  ['a long window', rules({ stabilizationWindowSeconds: 3601 }), [`${up}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`]],
  ['a strange choice', rules({ selectPolicy: 'Mean' }), [`${up}.selectPolicy: Unsupported value: "Mean": supported values: "Disabled", "Max", "Min"`]],
  ['strange steps', rules({ policies: [{ type: 'Nodes', value: 0, periodSeconds: 1801 }] }), [
    `${up}.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"`, `${up}.policies[0].value: Invalid value: 0: must be greater than zero`, `${up}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
  ]],
])('an autoscaler with %s', (_, wrong, expected) => expect(problems(horizontalPodAutoscalerKind, { spec: wrong })).toEqual(expected));
