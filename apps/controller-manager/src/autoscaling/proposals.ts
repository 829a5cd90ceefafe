import { formatQuantity, milliQuantity, parseQuantity, quantityMilliValue } from '@orrery/apimachinery';
import type { MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '@orrery/api/types';
import { printSelector } from '../printed-selector.ts';
import { MetricError, MetricSelectorError, type PodSamples, type Reading } from './readings.ts';
import { type Proposal, type Situation, amountReplicas, sharedReplicas, utilizationReplicas, valueReplicas } from './replica-calculator.ts';
import type { Condition } from './scaling-rules.ts';

/** What one metric asks for. */
export interface MetricProposal {
  readonly replicas: number;
  /** As reasons and conditions call it. */
  readonly metric: string;
  readonly status: MetricStatus;
}

/** Why a metric asks for nothing: the event about it, and what the autoscaler as a whole says. */
export class ProposalError extends Error {
  readonly reason: string;
  /** The event's message, and the end of the condition's. */
  override readonly cause: string;

  constructor(reason: string, cause: string, message: string) {
    super(message);
    this.reason = reason;
    this.cause = cause;
  }

  get condition(): Condition {
    return { type: 'ScalingActive', status: 'False', reason: this.reason, message: `the HPA was unable to compute the replica count: ${this.cause}` };
  }
}

export interface ProposalInput extends Situation {
  readonly namespace: string;
  /** Replicas of the scale's status. */
  readonly statusReplicas: number;
}

type Outcome = Reading | MetricError;

const milli = (text: string): number => quantityMilliValue(parseQuantity(text));
const amount = (thousandths: number): string => formatQuantity(milliQuantity(Math.trunc(thousandths)));

/** The reading, or the error that came instead, worded by who wants it. */
function reading<K extends 'samples' | 'value'>(outcome: Outcome, kind: K, worded: (why: string) => string): Extract<Reading, Record<K, unknown>> {
  if (outcome instanceof MetricSelectorError) throw outcome;
  if (outcome instanceof MetricError) throw new MetricError(worded(outcome.message));
  if (!(kind in outcome)) throw new MetricError(worded('the metric has another shape'));
  return outcome as Extract<Reading, Record<K, unknown>>;
}

function rethrow<T>(run: () => T, wrap: (why: string) => Error): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof MetricError) throw wrap(error.message);
    throw error;
  }
}

interface ResourceSource {
  readonly name: string;
  readonly container?: string;
  readonly target: MetricTarget;
}

function resource(source: ResourceSource, outcome: Outcome, input: ProposalInput): { proposal: Proposal; metric: string; current: MetricValueStatus } {
  const { name, container = '', target } = source;
  const samples = (): PodSamples => reading(outcome, 'samples', (why) => `unable to get metrics for resource ${name}: ${why}`).samples;
  if (target.averageValue !== undefined) {
    const average = milli(target.averageValue);
    const proposal = rethrow(() => amountReplicas(samples(), { resource: name, average }, input), (why) => new MetricError(`failed to get ${name} usage: ${why}`));
    return { proposal, metric: `${name} resource`, current: { averageValue: amount(proposal.utilization) } };
  }
  const percent = target.averageUtilization;
  if (percent === undefined) throw new MetricError('invalid resource metric source: neither an average utilization target nor an average value (usage) target was set');
  const proposal = rethrow(() => utilizationReplicas(samples(), { resource: name, container, percent }, input), (why) => new MetricError(`failed to get ${name} utilization: ${why}`));
  return { proposal, metric: `${name} ${container === '' ? 'resource' : 'container resource'} utilization (percentage of request)`, current: { averageUtilization: proposal.utilization, averageValue: amount(proposal.raw ?? 0) } };
}

type Source<K extends keyof MetricSpec> = NonNullable<MetricSpec[K]>;

function ofObject({ describedObject, metric, target }: Source<'object'>, outcome: Outcome, input: ProposalInput): MetricProposal {
  const { name, selector } = metric;
  const identifier = { name, ...(selector ? { selector } : {}) };
  const failed = (why: string, whole = why): ProposalError => new ProposalError('FailedGetObjectMetric', why, `failed to get object metric value: ${whole}`);
  if (outcome instanceof MetricSelectorError) throw failed(outcome.message);
  // The order of the words is upstream's.
  const value = (): number => reading(outcome, 'value', (why) => `unable to get metric ${name}: ${describedObject.kind} on ${input.namespace} ${describedObject.name}/${why}`).value;
  if (target.type === 'Value' && target.value !== undefined) {
    const wanted = milli(target.value);
    const { replicas, utilization } = rethrow(() => valueReplicas(value(), wanted, input), (why) => failed(why));
    return { replicas, metric: `${describedObject.kind} metric ${name}`, status: { type: 'Object', object: { describedObject, metric: identifier, current: { value: amount(utilization) } } } };
  }
  if (target.type === 'AverageValue' && target.averageValue !== undefined) {
    const average = milli(target.averageValue);
    const shared = { replicas: input.statusReplicas, tolerance: input.tolerance };
    const { replicas, utilization } = rethrow(() => sharedReplicas(value(), average, shared), (why) => failed(why, `failed to get ${name} object metric: ${why}`));
    return { replicas, metric: `external metric ${name}(${printSelector(selector)})`, status: { type: 'Object', object: { describedObject, metric: identifier, current: { averageValue: amount(utilization) } } } };
  }
  throw failed('invalid object metric source: neither a value target nor an average value target was set');
}

function ofPods({ metric, target }: Source<'pods'>, outcome: Outcome, input: ProposalInput): MetricProposal {
  const { name, selector } = metric;
  const failed = (why: string): ProposalError => new ProposalError('FailedGetPodsMetric', why, `failed to get pods metric value: ${why}`);
  const average = milli(target.averageValue ?? '0');
  const propose = (): Proposal => amountReplicas(reading(outcome, 'samples', (why) => `unable to get metric ${name}: ${why}`).samples, { resource: '', average }, input);
  const { replicas, utilization } = rethrow(propose, failed);
  return { replicas, metric: `pods metric ${name}`, status: { type: 'Pods', pods: { metric: { name, ...(selector ? { selector } : {}) }, current: { averageValue: amount(utilization) } } } };
}

function ofExternal({ metric, target }: Source<'external'>, outcome: Outcome, input: ProposalInput): MetricProposal {
  const { name, selector } = metric;
  const failed = (why: string, whole: string): ProposalError => new ProposalError('FailedGetExternalMetric', why, `failed to get ${name} external metric value: ${whole}`);
  const value = (): number => reading(outcome, 'value', (why) => `unable to get external metric ${input.namespace}/${name}/${printSelector(selector)}: ${why}`).value;
  const said = (replicas: number, current: MetricValueStatus): MetricProposal => ({
    replicas,
    metric: `external metric ${name}(${printSelector(selector)})`,
    status: { type: 'External', external: { metric: { name, ...(selector ? { selector } : {}) }, current } },
  });
  if (target.averageValue !== undefined) {
    const average = milli(target.averageValue);
    const shared = { replicas: input.statusReplicas, tolerance: input.tolerance };
    const { replicas, utilization } = rethrow(() => sharedReplicas(value(), average, shared), (why) => failed(why, `failed to get ${name} external metric: ${why}`));
    return said(replicas, { averageValue: amount(utilization) });
  }
  if (target.value === undefined) {
    const why = 'invalid external metric source: neither a value target nor an average value target was set';
    throw failed(why, why);
  }
  const wanted = milli(target.value);
  const { replicas, utilization } = rethrow(() => valueReplicas(value(), wanted, input), (why) => failed(why, `failed to get external metric ${name}: ${why}`));
  return said(replicas, { value: amount(utilization) });
}

/** What a metric asks for, from what was read of it. Throws ProposalError. */
export function propose(spec: MetricSpec, outcome: Outcome, input: ProposalInput): MetricProposal {
  switch (spec.type) {
    case 'Resource': {
      const source = spec.resource as Source<'resource'>;
      const { proposal, metric, current } = rethrow(() => resource(source, outcome, input), (why) => new ProposalError('FailedGetResourceMetric', why, `failed to get ${source.name} resource metric value: ${why}`));
      return { replicas: proposal.replicas, metric, status: { type: 'Resource', resource: { name: source.name, current } } };
    }
    case 'ContainerResource': {
      const source = spec.containerResource as Source<'containerResource'>;
      const { name, container } = source;
      const { proposal, metric, current } = rethrow(() => resource(source, outcome, input), (why) => new ProposalError('FailedGetContainerResourceMetric', why, `failed to get ${container} container metric value: ${why}`));
      return { replicas: proposal.replicas, metric, status: { type: 'ContainerResource', containerResource: { name, container, current } } };
    }
    case 'Object':
      return ofObject(spec.object as Source<'object'>, outcome, input);
    case 'Pods':
      return ofPods(spec.pods as Source<'pods'>, outcome, input);
    case 'External':
      return ofExternal(spec.external as Source<'external'>, outcome, input);
    default: {
      const why = `unknown metric source type ${JSON.stringify(spec.type)}`;
      throw new ProposalError('InvalidMetricSourceType', why, why);
    }
  }
}
