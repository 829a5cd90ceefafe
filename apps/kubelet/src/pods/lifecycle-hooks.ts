import type { LifecycleHandler } from '@orrery/api/types';
import { type ActionTarget, runAction } from '../probes/handler.ts';
import type { KubeletContext } from '../kubelet-context.ts';

const hookTimeoutMs = 24 * 3_600_000;

/** Runs a lifecycle hook to its end. Throws with what went wrong. */
export async function runHook(context: KubeletContext, hook: LifecycleHandler, target: ActionTarget): Promise<void> {
  const result = await runAction(hook, target, { deps: context.actions, timeoutMs: hookTimeoutMs, userAgent: 'kube-lifecycle/1.36' });
  if (!result.ok) throw new Error(result.output || 'command failed');
}
