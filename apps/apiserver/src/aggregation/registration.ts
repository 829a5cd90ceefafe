import { APIServices, CustomResourceDefinitions } from '@orrery/api';
import type { APIService, APIServiceSpec, CustomResourceDefinition } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { builtInPriority, customPriority } from '../discovery/priorities.ts';
import type { PluginContext } from '../pipeline/index.ts';
import { apiServiceName } from './api-service.ts';
import { startWorkLoop } from './work-loop.ts';

/** Says that the aggregator keeps an APIService: once when it starts, or always. */
export const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

type Mode = 'onstart' | 'true';

export interface Desired {
  readonly mode: Mode;
  readonly spec: APIServiceSpec;
}

const ownGroup = 'apiregistration.k8s.io';

function managedBy(object: APIService | undefined): Mode | undefined {
  const mode = object?.metadata?.labels?.[managedLabel];
  return mode === 'onstart' || mode === 'true' ? mode : undefined;
}

/** What the aggregator wants of one APIService. */
export type Step = 'nothing' | 'create' | 'update' | 'delete';

/** What has been with a name since this server started. */
export interface History {
  readonly wasThereAtStart: boolean;
  readonly hasSynced: boolean;
}

/** Upstream's table of what an auto-registered APIService is and should be. */
export function planRegistration(desired: Desired | undefined, current: APIService | undefined, { wasThereAtStart, hasSynced }: History): Step {
  if (!current && !desired) return 'nothing';
  if (desired?.mode === 'onstart' && hasSynced) return 'nothing';
  if (!current) return 'create';
  const mode = managedBy(current);
  if (!mode || (mode === 'onstart' && (!wasThereAtStart || hasSynced))) return 'nothing';
  if (!desired) return 'delete';
  return deepEqual(current.spec, desired.spec) ? 'nothing' : 'update';
}

type Needs = Pick<PluginContext, 'api' | 'read' | 'kinds' | 'env'>;

const spec = (group: string, version: string, priority: { group: number; version: number }): APIServiceSpec =>
  ({ ...(group ? { group } : {}), version, groupPriorityMinimum: priority.group, versionPriority: priority.version });

/** Of the group versions that are built in, but for the aggregator's own. */
export function builtInServices(kinds: Needs['kinds']): Map<string, Desired> {
  const found = new Map<string, Desired>();
  for (const { group, version } of kinds.all()) {
    const priority = builtInPriority(group, version);
    if (priority && group !== ownGroup) found.set(apiServiceName(group, version), { mode: 'onstart', spec: spec(group, version, priority) });
  }
  return found;
}

const namesOf = ({ spec: definition }: CustomResourceDefinition): string[] => (definition?.versions ?? []).map((version) => apiServiceName(definition?.group ?? '', version.name));

function customService(read: Needs['read'], name: string): Desired | undefined {
  for (const { spec: definition } of read.list(CustomResourceDefinitions)) {
    const version = definition?.versions?.find((one) => one.served && apiServiceName(definition.group, one.name) === name);
    if (definition && version) return { mode: 'true', spec: spec(definition.group, version.name, customPriority) };
  }
  return undefined;
}

/** Keeps an APIService for every group version that is served here. */
export class Registration {
  private readonly needs: Needs;
  private readonly atStart = new Set<string>();
  private readonly synced = new Set<string>();
  private builtIn = new Map<string, Desired>();

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** Registers what is built in; resolves when that is done. Then follows the definitions of custom resources. */
  async run(signal: AbortSignal): Promise<void> {
    const { read, env, kinds } = this.needs;
    for (const { metadata } of read.list(APIServices)) this.atStart.add(metadata?.name ?? '');
    this.builtIn = builtInServices(kinds);
    const first = this.known();
    await Promise.all(first.map((name) => this.sync(name).catch((error: unknown) => {
      // Another replica was faster: the loop below looks again.
      if (!isAlreadyExists(error) && !isConflict(error)) env.log.warn('an APIService could not be registered; trying again', { name, error });
    })));
    const queue = startWorkLoop(env, { name: 'autoregister', concurrency: 5, maxDelayMs: 1_000_000, resyncMs: 0, keys: () => first.filter((name) => !this.synced.has(name)), work: (name) => this.sync(name) }, signal);
    const stops = [
      read.onChange(APIServices, ({ object, old }) => queue.add((object ?? old)?.metadata?.name ?? '')),
      read.onChange(CustomResourceDefinitions, ({ object, old }) => {
        for (const name of [...(old ? namesOf(old) : []), ...(object ? namesOf(object) : [])]) queue.add(name);
      }),
    ];
    signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
  }

  private known(): string[] {
    const { read } = this.needs;
    return [...new Set([...this.builtIn.keys(), ...read.list(CustomResourceDefinitions).flatMap(namesOf), ...this.atStart])];
  }

  private async sync(name: string): Promise<'done'> {
    const { read, api } = this.needs;
    const current = read.get(APIServices, { name });
    const desired = this.builtIn.get(name) ?? customService(read, name);
    const step = planRegistration(desired, current, { wasThereAtStart: this.atStart.has(name), hasSynced: this.synced.has(name) });
    if (step === 'create' && desired) await api.create(APIServices, { apiVersion: `${ownGroup}/v1`, kind: 'APIService', metadata: { name, labels: { [managedLabel]: desired.mode } }, spec: desired.spec });
    else if (step === 'update' && desired) await api.update(APIServices, { ...current, spec: desired.spec } as APIService);
    else if (step === 'delete') await this.remove(name, current?.metadata?.uid);
    this.synced.add(name);
    return 'done';
  }

  private async remove(name: string, uid: string | undefined): Promise<void> {
    await this.needs.api.delete(APIServices, { name }, uid ? { preconditions: { uid } } : {}).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}
