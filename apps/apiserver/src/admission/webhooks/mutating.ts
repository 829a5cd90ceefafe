import { DecodeError } from '@orrery/api';
import { PatchError, applyJsonPatch } from '@orrery/apimachinery';
import { internalError } from '@orrery/errors';
import { type AdmissionAttributes, Recalls } from '../../pipeline/index.ts';
import { type Invocation, callHook, refusalOf } from './call.ts';
import type { Dispatch } from './dispatch.ts';
import type { Hook } from './hook.ts';
import { rewrite } from './rewrite.ts';

/** Applies a webhook's patch to the draft; true when that changed it. */
async function applyPatch(attributes: AdmissionAttributes, { hook, kind, request }: Invocation, patch: unknown): Promise<boolean> {
  if (patch === undefined || patch === null || (Array.isArray(patch) && !patch.length)) return false;
  if (attributes.object === undefined) {
    throw internalError(new Error(`admission webhook ${JSON.stringify(hook.webhook.name)} attempted to modify the object, which is not supported for this operation`));
  }
  try {
    return await rewrite(attributes, kind, applyJsonPatch(request.object, patch));
  } catch (error) {
    throw error instanceof PatchError || error instanceof DecodeError ? internalError(error) : error;
  }
}

async function runHook(dispatch: Dispatch, attributes: AdmissionAttributes, options: { hook: Hook; index: number; recalls: Recalls }): Promise<void> {
  const { hook, index, recalls } = options;
  const { reinvocation } = attributes;
  const invocation = await dispatch.invocation(hook, attributes);
  // Whom the first round did not ask is not asked in the second, even if it would be now.
  if (!invocation || (reinvocation.isSecond && !recalls.isWanted(hook.id))) return;
  const place = `round_${reinvocation.isSecond ? 1 : 0}_index_${index}`;
  let changed = false;
  const failedOpen = (): void => attributes.annotate(`failed-open.mutation.webhook.admission.k8s.io/${place}`, hook.webhook.name);
  try {
    await dispatch.observer.watch({ hook, operation: attributes.operation, failedOpen }, async () => {
      const { patch } = await callHook(invocation, attributes, { caller: dispatch.caller, mutating: true });
      changed = await applyPatch(attributes, invocation, patch);
      if (patch !== undefined) attributes.annotate(`patch.webhook.admission.k8s.io/${place}`, JSON.stringify({ configuration: hook.configuration, webhook: hook.webhook.name, patch, patchType: 'JSONPatch' }));
    });
  } catch (error) {
    throw refusalOf(error);
  } finally {
    attributes.annotate(`mutation.webhook.admission.k8s.io/${place}`, JSON.stringify({ configuration: hook.configuration, webhook: hook.webhook.name, mutated: changed }));
  }
  if (changed) {
    recalls.changed();
    reinvocation.request();
  }
  if (hook.webhook.reinvocationPolicy === 'IfNeeded') recalls.remember(hook.id);
}

/** One after the other. In the second round those that asked for it, if somebody changed the object after them. */
export async function mutate(dispatch: Dispatch, attributes: AdmissionAttributes): Promise<void> {
  const recalls = attributes.reinvocation.state('MutatingAdmissionWebhook', () => new Recalls());
  if (attributes.reinvocation.isSecond) recalls.compare(attributes.object);
  for (const [index, hook] of dispatch.hooks().entries()) await runHook(dispatch, attributes, { hook, index, recalls });
  recalls.leave(attributes.object);
}
