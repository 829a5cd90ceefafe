import type { KindDescriptor, StrategyContext } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import { isFeatureOn } from '../feature-gates.ts';
import type { Draft } from './metadata.ts';
import type { Registry, RequestScope } from './registry.ts';

/** What the strategies of kinds are told of a request and the server. */
export function strategyContext({ env, config }: Registry, { info }: Pick<RequestScope, 'info'>): StrategyContext {
  return { nowMs: env.clock.now(), namespace: info.namespace, isFeatureOn: (gate) => isFeatureOn(config.featureGates, gate) };
}

/** How an update through one path (the object or a subresource) treats the parts of the object. */
export interface UpdateStrategy {
  /** Puts back what this path may not change and bumps the generation. */
  prepare(draft: any, old: any, context: StrategyContext): void;
  validate(draft: any, old: any): FieldError[];
  /** True when the update takes away the last thing that kept a deleted object alive. */
  removes(draft: Draft, old: KubeObject): boolean;
}

/** The last finalizer of an object that waited for nothing else is gone. */
export function finalizersDone(draft: Draft, old: KubeObject): boolean {
  return (draft.metadata.finalizers ?? []).length === 0 && old.metadata?.deletionTimestamp !== undefined && old.metadata.deletionGracePeriodSeconds === 0;
}

const never = (): boolean => false;

function namespaceEmptied(draft: Draft, old: KubeObject): boolean {
  const { spec } = draft as { spec?: { finalizers?: unknown[] } };
  return finalizersDone(draft, old) && (spec?.finalizers ?? []).length === 0;
}

/** Everything but what `fields` name comes from the old object. */
function only(draft: Record<string, unknown>, old: Record<string, unknown>, fields: readonly string[]): void {
  for (const key of new Set([...Object.keys(draft), ...Object.keys(old)])) {
    if (fields.includes(key)) continue;
    if (old[key] === undefined) delete draft[key];
    else draft[key] = old[key];
  }
}

/** Namespace finalizers change only through /finalize; the main path keeps them. */
const finalize: UpdateStrategy = {
  prepare(draft: { spec?: { finalizers?: unknown } }, old: { spec?: object }) {
    const finalizers = draft.spec?.finalizers;
    only(draft as Record<string, unknown>, old as Record<string, unknown>, ['metadata']);
    draft.spec = { ...old.spec, finalizers };
  },
  validate: () => [],
  removes: namespaceEmptied,
};

/** The strategy of one path of a kind. Subresources that say nothing of themselves replace status only. */
export function strategyOf(kind: KindDescriptor, subresource: string): UpdateStrategy {
  if (subresource === '' || subresource === 'scale') {
    const removes = kind.group === '' && kind.kind === 'Namespace' ? namespaceEmptied : finalizersDone;
    return { prepare: kind.prepareForUpdate, validate: kind.validateUpdate, removes };
  }
  const own = kind.subresources.find(({ name }) => name === subresource);
  if (kind.group === '' && kind.kind === 'Namespace' && subresource === 'finalize') return { ...finalize, validate: own?.validateUpdate ?? finalize.validate };
  return { prepare: own?.prepareForUpdate ?? kind.prepareForStatusUpdate, validate: own?.validateUpdate ?? kind.validateStatusUpdate, removes: never };
}
