import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { type Invocation, callHook, refusalOf } from './call.ts';
import type { Dispatch } from './dispatch.ts';

/** All at once; when several refuse, the client is told of the first that did. */
export async function validate(dispatch: Dispatch, attributes: AdmissionAttributes): Promise<void> {
  const wanted: Invocation[] = [];
  for (const hook of dispatch.hooks()) {
    const invocation = await dispatch.invocation(hook, attributes);
    if (invocation) wanted.push(invocation);
  }
  const refusals: unknown[] = [];
  const ask = async (index: number): Promise<void> => {
    const invocation = wanted[index];
    if (!invocation) return;
    const { hook } = invocation;
    const failedOpen = (): void => attributes.annotate(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`, hook.webhook.name);
    try {
      await dispatch.observer.watch({ hook, operation: attributes.operation, failedOpen }, () => callHook(invocation, attributes, { caller: dispatch.caller, mutating: false }));
    } catch (error) {
      refusals.push(refusalOf(error));
    }
  };
  await Promise.all(wanted.map((_, index) => ask(index)));
  if (refusals.length) throw refusals[0];
}
