import { Pods } from '@orrery/api';
import type { Pod, PodTemplateSpec } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type ControllerContext, newControllerRef } from '@orrery/controller';
import { StatusError, isNotFound } from '@orrery/errors';

/** A pod made from a template for its controller. */
export function podFromTemplate(template: PodTemplateSpec, resource: ResourceRef, owner: KubeObject): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    metadata: {
      generateName: `${owner.metadata?.name ?? ''}-`,
      namespace: owner.metadata?.namespace ?? '',
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [newControllerRef(resource, owner)],
    },
    spec: template.spec ?? { containers: [] },
  };
}

/** Refused because the namespace is on its way out: nothing to report, nothing to retry. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof StatusError && (error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false);
}

export interface PodControl {
  readonly resource: ResourceRef;
  readonly owner: KubeObject;
}

/** Creates a pod and says so in an event of the owner. */
export async function createPod(context: Pick<ControllerContext, 'api' | 'events'>, { resource, owner }: PodControl, pod: Pod): Promise<Pod> {
  try {
    const made = await context.api.create(Pods, pod);
    context.events.event(resource, owner, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${made.metadata?.name ?? ''}` });
    return made;
  } catch (error) {
    if (!isNamespaceTerminating(error)) {
      context.events.event(resource, owner, { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${(error as Error).message}` });
    }
    throw error;
  }
}

/** Deletes a pod, if it is still the one meant, and says so in an event of the owner. */
export async function deletePod(context: Pick<ControllerContext, 'api' | 'events'>, { resource, owner }: PodControl, pod: Pod): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  try {
    await context.api.delete(Pods, { namespace, name }, uid ? { preconditions: { uid } } : {});
    context.events.event(resource, owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
  } catch (error) {
    if (isNotFound(error)) throw error;
    context.events.event(resource, owner, { type: 'Warning', reason: 'FailedDelete', message: `Error deleting: ${(error as Error).message}` });
    throw error;
  }
}
