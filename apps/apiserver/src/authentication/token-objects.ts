import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { isNotFound } from '@orrery/errors';
import type { PluginContext } from '../pipeline/index.ts';

/** Deleted objects vouch for their tokens a little longer, so that shutting down pods can still say goodbye. */
const deletionLeewayMs = 60_000;

/** What the kinds of service-account tokens share. */
export interface TokenSettings {
  readonly context: Pick<PluginContext, 'read' | 'api' | 'env'>;
  /** What the API server calls itself; tokens must be meant for one of these unless other audiences are asked. */
  readonly apiAudiences: readonly string[];
  /** Check tokens of secrets against their secrets. */
  readonly lookup: boolean;
}

/** The object as the cache has it, or, when the cache does not know it yet, as the store has it. */
export async function lookUp<T extends KubeObject>({ context }: TokenSettings, resource: ResourceRef<T>, key: { namespace?: string; name: string }): Promise<T | undefined> {
  const cached = context.read.get(resource, key);
  if (cached) return cached;
  try {
    return await context.api.get(resource, key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** True once an object is being deleted for longer than its tokens are excused. */
export function isGone({ context }: TokenSettings, object: KubeObject): boolean {
  const deleted = object.metadata?.deletionTimestamp;
  return deleted !== undefined && Date.parse(deleted) < context.env.clock.now() - deletionLeewayMs;
}
