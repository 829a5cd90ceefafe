import { APIServices, CustomResourceDefinitions, HorizontalPodAutoscalers, Pods } from '@orrery/api';
import type { HorizontalPodAutoscaler, Pod } from '@orrery/api/types';
import { type Selector, SelectorError, parseLabelSelector } from '@orrery/apimachinery';
import { deepEqual, keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { StatusError } from '@orrery/errors';
import { customMetricsVersion } from './custom-version.ts';
import type { History } from './history.ts';
import { type AutoscalerMetrics, type Verdict, actionOf, autoscalerMetrics } from './metrics.ts';
import { MetricsClient } from './metrics-client.ts';
import { type AutoscalingSettings, type Measured, type Observed, type Outcome, conclude, plan, sizeBounds, withoutScale } from './plan.ts';
import { MetricError } from './readings.ts';
import { type FoundScale, ScaleError, TargetReferenceError, readScale, resourcesOfKind, writeScale } from './scale-target.ts';

export interface AutoscalerOptions extends AutoscalingSettings {
  readonly syncPeriodMs: number;
  /** Autoscalers worked on at once. */
  readonly concurrency: number;
}

interface State {
  readonly metrics: MetricsClient;
  readonly told: AutoscalerMetrics;
  /** By the autoscaler's key. */
  readonly histories: Map<string, History>;
  /** The selectors of the scales that were last seen, by the autoscaler's key. */
  readonly selectors: Map<string, Selector>;
}

type Context = ControllerContext<State>;

function matching({ store }: Context, namespace: string, selector: Selector): Pod[] {
  return [...store(Pods).byIndex('namespace', namespace)].filter((pod) => selector.matches(pod.metadata?.labels ?? {}));
}

/** The autoscalers whose scales select some of these pods. */
function selecting({ state, store }: Context, pods: readonly Pod[], namespace: string): string[] {
  const found = [...state.selectors].filter(([key, selector]) => key.startsWith(`${namespace}/`) && store(HorizontalPodAutoscalers).has(key) && pods.some((pod) => selector.matches(pod.metadata?.labels ?? {})));
  return found.map(([key]) => key.slice(namespace.length + 1)).sort();
}

function parse(text: string): Selector | string {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    return error.message;
  }
}

/** Reads what the metrics stand at, and the pods they are about. */
async function measure(autoscaler: HorizontalPodAutoscaler, selectorText: string, context: Context): Promise<Measured> {
  const conditionReason = 'InvalidSelector';
  if (selectorText === '') return { refusal: { eventReason: 'SelectorRequired', conditionReason, message: 'selector is required', conditionMessage: "the HPA target's scale is missing a selector" } };
  const selector = parse(selectorText);
  if (typeof selector === 'string') {
    const message = `couldn't convert selector into a corresponding internal selector object: ${selector}`;
    return { refusal: { eventReason: 'InvalidSelector', conditionReason, message } };
  }
  const { namespace = '' } = autoscaler.metadata ?? {};
  const { state } = context;
  state.selectors.set(keyOf(autoscaler), selector);
  const pods = matching(context, namespace, selector);
  const rivals = selecting(context, pods, namespace);
  if (rivals.length > 1) {
    const message = `pods by selector ${selectorText} are controlled by multiple HPAs: [${rivals.map((name) => `${namespace}/${name}`).join(' ')}]`;
    return { refusal: { eventReason: 'AmbiguousSelector', conditionReason: 'AmbiguousSelector', message } };
  }
  const outcomes = (autoscaler.spec?.metrics ?? []).map((spec) =>
    state.metrics.read(spec, { namespace, selector: selectorText }).catch((error: unknown) => {
      if (error instanceof MetricError) return error;
      throw error;
    }),
  );
  return { pods, outcomes: await Promise.all(outcomes) };
}

/** The status a look leads to, once the scale was set, and what it came to. */
async function act(autoscaler: HorizontalPodAutoscaler, found: FoundScale, { context, settings }: { context: Context; settings: AutoscalingSettings }): Promise<Outcome & { verdict: Verdict }> {
  const { api, env, state } = context;
  const { scale } = found;
  const beganMs = env.clock.monotonic();
  const measured = sizeBounds(autoscaler, scale) ? undefined : await measure(autoscaler, scale.status?.selector ?? '', context);
  const observed: Observed = { autoscaler, scale, history: state.histories.get(keyOf(autoscaler)), measured, settings };
  const decision = plan(observed, env.clock.now());
  const current = scale.spec?.replicas ?? 0;
  const seconds = (env.clock.monotonic() - beganMs) / 1000;
  // Upstream compares with the size the status has, that of the look before.
  const before = autoscaler.status?.currentReplicas ?? 0;
  for (const { type, replicas } of decision.wishes) state.told.computed(type, { action: actionOf(before, replicas), error: replicas === undefined ? 'internal' : 'none' }, seconds);
  const verdict: Verdict = { action: actionOf(current, decision.rescaleTo), error: decision.hasErrors ? 'internal' : 'none' };
  if (decision.rescaleTo === undefined) return { ...conclude(observed, decision, { nowMs: env.clock.now() }), verdict };
  try {
    await writeScale(api, found, decision.rescaleTo);
    env.log.info('rescaled', { autoscaler: keyOf(autoscaler), from: scale.spec?.replicas ?? 0, to: decision.rescaleTo, reason: decision.reason });
    return { ...conclude(observed, decision, { nowMs: env.clock.now() }), verdict };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { ...conclude(observed, decision, { rescaleError: error.message, nowMs: env.clock.now() }), verdict: { action: 'none', error: 'internal' } };
  }
}

async function sync(autoscaler: HorizontalPodAutoscaler, context: Context, settings: AutoscalingSettings): Promise<Verdict> {
  const { api, env, events, state, store } = context;
  const { namespace = '' } = autoscaler.metadata ?? {};
  const told = ({ events: list }: Pick<Outcome, 'events'>): void => {
    for (const input of list) events.event(HorizontalPodAutoscalers, autoscaler, input);
  };
  let outcome: Pick<Outcome, 'status' | 'events'> & Partial<Pick<Outcome, 'history'>> & { verdict?: Verdict };
  try {
    const reference = autoscaler.spec?.scaleTargetRef ?? { kind: '', name: '' };
    outcome = await act(autoscaler, await readScale(api, { namespace, reference }, store(CustomResourceDefinitions).list()), { context, settings });
  } catch (error) {
    if (!(error instanceof ScaleError)) throw error;
    outcome = { ...withoutScale(autoscaler, error.message, env.clock.now()), verdict: { action: 'none', error: error instanceof TargetReferenceError ? 'spec' : 'internal' } };
  }
  if (outcome.history) state.histories.set(keyOf(autoscaler), outcome.history);
  told(outcome);
  const { verdict = { action: 'none', error: 'internal' } } = outcome;
  if (deepEqual(autoscaler.status ?? {}, outcome.status)) return verdict;
  await api.update(HorizontalPodAutoscalers, { ...autoscaler, status: outcome.status }, { subresource: 'status' }).catch((error: unknown) => {
    if (!(error instanceof StatusError)) throw error;
    told({ events: [{ type: 'Warning', reason: 'FailedUpdateStatus', message: error.message }] });
    throw error;
  });
  return verdict;
}

/**
 * Keeps the size of whatever has a scale by what its pods are measured at. Each autoscaler is looked at once a period, as upstream
 * does, and never sooner because something changed.
 */
export function horizontalPodAutoscaling(options: AutoscalerOptions): AnyController {
  const again = { requeueAfterMs: options.syncPeriodMs };
  return defineController<HorizontalPodAutoscaler, State>({
    name: 'horizontal-pod-autoscaler-controller',
    queue: 'horizontalpodautoscaler',
    account: 'horizontal-pod-autoscaler',
    eventSource: 'horizontal-pod-autoscaler',
    for: HorizontalPodAutoscalers,
    concurrency: options.concurrency,
    coalesceMs: () => options.syncPeriodMs,
    rbac: [
      { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers/status'], verbs: ['update'] },
      { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get', 'update'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['metrics.k8s.io'], resources: ['pods'], verbs: ['list'] },
      { apiGroups: ['custom.metrics.k8s.io', 'external.metrics.k8s.io'], resources: ['*'], verbs: ['get', 'list'] },
      { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: ['list', 'watch'] },
      { apiGroups: ['apiregistration.k8s.io'], resources: ['apiservices'], verbs: ['list', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
    setup({ api, env, store }) {
      store(Pods);
      const definitions = store(CustomResourceDefinitions);
      const services = store(APIServices);
      const metrics = new MetricsClient(api, { find: (reference) => resourcesOfKind(reference, definitions.list())[0], customVersion: () => customMetricsVersion(services.list()) });
      return { metrics, told: autoscalerMetrics(env.metrics, () => store(HorizontalPodAutoscalers).list()), histories: new Map(), selectors: new Map() };
    },
    async reconcile(key, context) {
      const autoscaler = context.store(HorizontalPodAutoscalers).get(key);
      if (!autoscaler) {
        context.state.histories.delete(key);
        context.state.selectors.delete(key);
        return undefined;
      }
      const beganMs = context.env.clock.monotonic();
      let verdict: Verdict = { action: 'none', error: 'internal' };
      try {
        verdict = await sync(autoscaler, context, options);
      } catch (error) {
        // Its time comes again in a period, not sooner: a metrics API that is away is not to be hammered.
        if (!(error instanceof StatusError)) throw error;
        context.env.log.info('an autoscaler could not be brought up to date', { key, error: error.message });
      }
      context.state.told.reconciled(verdict, (context.env.clock.monotonic() - beganMs) / 1000);
      return again;
    },
  });
}
