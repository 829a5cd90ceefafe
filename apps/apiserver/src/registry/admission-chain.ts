import type { AdmissionAttributes, Operation } from '../pipeline/admission.ts';
import { Rounds } from '../pipeline/reinvocation.ts';
import { outOfTime } from '../pipeline/out-of-time.ts';
import type { Registry, RequestScope, WriteOptions } from './registry.ts';

type Finish = (committed: boolean) => void | Promise<void>;

/** Admission of one attempt at one write. */
export interface Admission {
  readonly attributes: AdmissionAttributes;
  /** Runs the mutating half; true when some plug-in may have changed the object. */
  admit(): Promise<boolean>;
  validate(): Promise<void>;
  /** Tells plug-ins that reserved something how it ended. */
  finish(committed: boolean): Promise<void>;
}

export interface AdmissionInput {
  readonly operation: Operation;
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly name: string;
  readonly options: WriteOptions;
  readonly subresource?: string;
  readonly objectKind?: AdmissionAttributes['objectKind'];
}

export function admission(registry: Registry, scope: RequestScope, input: AdmissionInput): Admission {
  const { kind, info } = scope;
  const finishers: Finish[] = [];
  const rounds = new Rounds();
  const attributes: AdmissionAttributes = {
    user: scope.user,
    operation: input.operation,
    kind,
    objectKind: input.objectKind ?? { group: kind.group, version: kind.version, kind: kind.kind },
    subresource: input.subresource ?? info.subresource,
    namespace: info.namespace,
    name: input.name,
    object: input.object,
    oldObject: input.oldObject,
    dryRun: input.options.dryRun,
    options: input.options.raw,
    reinvocation: rounds,
    warn: (text) => scope.warn(text),
    annotate: (key, value) => scope.annotate(key, value),
    onFinish: (fn) => void finishers.push(fn),
  };
  const interested = registry.admission.filter((plugin) => plugin.handles(attributes));
  return {
    attributes,
    async admit() {
      const mutating = interested.filter((plugin) => plugin.admit);
      await registry.meters.step('admit', attributes.operation, () => rounds.run(mutating, attributes));
      return mutating.length > 0;
    },
    async validate() {
      await registry.meters.step('validate', attributes.operation, async () => {
        for (const plugin of interested) {
          const pending = plugin.validate?.(attributes);
          if (pending) await pending;
        }
      });
      if (scope.isCancelled) throw outOfTime;
    },
    async finish(committed) {
      for (const fn of finishers.splice(0).reverse()) await fn(committed);
    },
  };
}
