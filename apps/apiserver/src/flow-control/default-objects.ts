import { FlowSchemas, PriorityLevelConfigurations } from '@orrery/api';
import type { FlowSchema, PriorityLevelConfiguration } from '@orrery/api/types';
import { type KubeObject, type ResourceRef, deepEqual } from '@orrery/apimachinery';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { flowSchemas, priorityLevels } from '../bootstrap/flow-control.ts';
import type { PluginContext } from '../pipeline/index.ts';
import type { MandatoryObjects } from './flow-controller.ts';

/** Says whether the API server may bring an object up to its own idea of it. */
export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';

type FlowObject = KubeObject & { spec?: unknown };

const mandatoryNames = new Set(['exempt', 'catch-all']);

const levelObject = ({ name, spec }: (typeof priorityLevels)[number]): PriorityLevelConfiguration => ({ metadata: { name }, spec });
const schemaObject = ({ name, spec }: (typeof flowSchemas)[number]): FlowSchema => ({ metadata: { name }, spec });

export const mandatoryObjects: MandatoryObjects = {
  levels: priorityLevels.filter(({ name }) => mandatoryNames.has(name)).map(levelObject),
  schemas: flowSchemas.filter(({ name }) => mandatoryNames.has(name)).map(schemaObject),
};

/** Whether an existing object follows its default; without a word on it, one whose spec was never changed does. */
function isAutoUpdated({ metadata }: KubeObject): boolean {
  const said = metadata?.annotations?.[autoUpdateAnnotation];
  if (said === 'true' || said === 'false') return said === 'true';
  return (metadata?.generation ?? 1) === 1;
}

/** How much the exempt level lends is the administrator's to say. */
function withOwnShares(existing: FlowObject, wanted: FlowObject): unknown {
  const own = (existing.spec as PriorityLevelConfiguration['spec'])?.exempt;
  return own && wanted.metadata?.name === 'exempt' ? { ...(wanted.spec as object), exempt: own } : wanted.spec;
}

/** What to make of an object that is there; undefined leaves it alone. Mandatory ones always follow. */
export function mendedDefault<T extends FlowObject>(existing: T, wanted: T): T | undefined {
  const name = existing.metadata?.name ?? '';
  const follows = mandatoryNames.has(name) || isAutoUpdated(existing);
  const annotation = String(follows);
  const spec = follows ? withOwnShares(existing, wanted) : existing.spec;
  if (existing.metadata?.annotations?.[autoUpdateAnnotation] === annotation && deepEqual(existing.spec, spec)) return undefined;
  return { ...existing, metadata: { ...existing.metadata, annotations: { ...existing.metadata?.annotations, [autoUpdateAnnotation]: annotation } }, spec };
}

type Context = Pick<PluginContext, 'api' | 'read'>;

/** Another server, or a user, was there at the same moment: the next round looks again. */
function isRace(error: unknown): boolean {
  return isAlreadyExists(error) || isConflict(error) || isNotFound(error);
}

async function attempt(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isRace(error)) throw error;
  }
}

async function maintain<T extends FlowObject>({ api, read }: Context, resource: ResourceRef<T>, defaults: readonly T[]): Promise<void> {
  const names = new Set(defaults.map((object) => object.metadata?.name));
  for (const wanted of defaults) {
    const { name = '' } = wanted.metadata ?? {};
    const existing = read.get(resource, { name });
    const created = { ...wanted, metadata: { name, annotations: { [autoUpdateAnnotation]: 'true' } } };
    const mended = existing ? mendedDefault(existing, wanted) : undefined;
    if (!existing) await attempt(() => api.create(resource, created));
    else if (mended) await attempt(() => api.update(resource, mended));
  }
  // What an earlier version suggested, and nobody took over.
  for (const object of read.list(resource)) {
    const { name = '', annotations } = object.metadata ?? {};
    if (!names.has(name) && annotations?.[autoUpdateAnnotation] === 'true') await attempt(() => api.delete(resource, { name }));
  }
}

/** Brings the mandatory and suggested objects up to date, as upstream does at start and every minute after. */
export async function maintainDefaults(context: Context): Promise<void> {
  await maintain(context, PriorityLevelConfigurations, priorityLevels.map(levelObject));
  await maintain(context, FlowSchemas, flowSchemas.map(schemaObject));
}
