import type { AdmissionAttributes, AdmissionPlugin, Operation } from '../pipeline/admission.ts';
import { askAll, Rounds } from '../pipeline/reinvocation.ts';
import { outOfTime } from '../pipeline/out-of-time.ts';
import type { Registry, RequestScope, WriteOptions } from './registry.ts';

type Finish = (committed: boolean) => void | Promise<void>;

/** Admission of one attempt at one write. Each step is a promise only where some plug-in has to be waited for; refusals are thrown or rejected. */
export interface Admission {
  readonly attributes: AdmissionAttributes;
  /** Runs the mutating half; true when some plug-in may have changed the object. */
  admit(): Promise<boolean> | boolean;
  validate(): Promise<void> | void;
  /** Tells plug-ins that reserved something how it ended. */
  finish(committed: boolean): Promise<void> | void;
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

/** What plug-ins see of a write. One object for each write, so what they call back is shared. */
class Attributes implements AdmissionAttributes {
  readonly user: AdmissionAttributes['user'];
  readonly operation: Operation;
  readonly kind: AdmissionAttributes['kind'];
  readonly objectKind: AdmissionAttributes['objectKind'];
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  object: AdmissionAttributes['object'];
  readonly oldObject: AdmissionAttributes['oldObject'];
  readonly dryRun: boolean;
  readonly options: AdmissionAttributes['options'];
  readonly reinvocation: Rounds;
  /** Undefined until there is one. */
  finishers: Finish[] | undefined;
  private readonly scope: RequestScope;

  constructor(scope: RequestScope, input: AdmissionInput) {
    const { kind, info } = scope;
    this.scope = scope;
    this.user = scope.user;
    this.operation = input.operation;
    this.kind = kind;
    // A kind is named as the kind of its objects is.
    this.objectKind = input.objectKind ?? kind;
    this.subresource = input.subresource ?? info.subresource;
    this.namespace = info.namespace;
    this.name = input.name;
    this.object = input.object;
    this.oldObject = input.oldObject;
    this.dryRun = input.options.dryRun;
    this.options = input.options.raw;
    this.reinvocation = new Rounds();
    this.finishers = undefined;
  }

  warn(text: string): void {
    this.scope.warn(text);
  }

  annotate(key: string, value: string): void {
    this.scope.annotate(key, value);
  }

  onFinish(fn: Finish): void {
    (this.finishers ??= []).push(fn);
  }
}

class Chain implements Admission {
  readonly attributes: Attributes;
  private readonly registry: Registry;
  private readonly scope: RequestScope;
  private readonly interested: AdmissionPlugin[] = [];

  constructor(registry: Registry, scope: RequestScope, input: AdmissionInput) {
    this.registry = registry;
    this.scope = scope;
    this.attributes = new Attributes(scope, input);
    for (const plugin of registry.admission) if (plugin.handles(this.attributes)) this.interested.push(plugin);
  }

  admit(): Promise<boolean> | boolean {
    const mutating = this.interested.filter((plugin) => plugin.admit);
    const pending = this.timed('admit', () => this.attributes.reinvocation.run(mutating, this.attributes));
    return pending ? pending.then(() => true) : mutating.length > 0;
  }

  validate(): Promise<void> | void {
    const pending = this.timed('validate', () => askAll(this.interested, 'validate', this.attributes));
    if (pending) return pending.then(() => this.checkTime());
    this.checkTime();
  }

  private checkTime(): void {
    if (this.scope.isCancelled) throw outOfTime;
  }

  private timed(phase: 'admit' | 'validate', ask: () => Promise<void> | void): Promise<void> | void {
    const fromMs = this.registry.env.clock.monotonic();
    const told = (rejected: boolean): void => this.registry.meters.step(phase, this.attributes.operation, { fromMs, rejected });
    let pending: Promise<void> | void;
    try {
      pending = ask();
    } catch (error) {
      told(true);
      throw error;
    }
    if (!pending) return told(false);
    return pending.then(
      () => told(false),
      (error: unknown) => {
        told(true);
        throw error;
      },
    );
  }

  finish(committed: boolean): Promise<void> | void {
    const { finishers } = this.attributes;
    this.attributes.finishers = undefined;
    if (finishers) return tell(finishers.reverse(), committed);
  }
}

async function tell(finishers: readonly Finish[], committed: boolean): Promise<void> {
  for (const fn of finishers) await fn(committed);
}

export function admission(registry: Registry, scope: RequestScope, input: AdmissionInput): Admission {
  return new Chain(registry, scope, input);
}
