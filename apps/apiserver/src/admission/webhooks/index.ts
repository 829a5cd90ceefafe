import type { AdmissionPlugin, PluginContext } from '../../pipeline/index.ts';
import type { Caller } from './caller.ts';
import { type Dispatch, invocations } from './dispatch.ts';
import { mutatingHooks, validatingHooks } from './hook.ts';
import { isExempt } from './match.ts';
import { mutate } from './mutating.ts';
import { observers } from './observe.ts';
import { validate } from './validating.ts';

type Needs = Pick<PluginContext, 'env' | 'read' | 'kinds' | 'authorize'>;

/** MutatingAdmissionWebhook. Configurations come from the cache at every write, so a change works at once. */
export function mutatingWebhooks(needs: Needs, caller: Caller): AdmissionPlugin {
  const { read, env } = needs;
  const hooks = mutatingHooks(read);
  const dispatch: Dispatch = { hooks, caller, invocation: invocations(needs, 'admit'), observer: observers(env)('admit') };
  return {
    name: 'MutatingAdmissionWebhook',
    handles: (attributes) => hooks().length > 0 && !isExempt(attributes),
    admit: (attributes) => mutate(dispatch, attributes),
  };
}

/** ValidatingAdmissionWebhook. */
export function validatingWebhooks(needs: Needs, caller: Caller): AdmissionPlugin {
  const { read, env } = needs;
  const hooks = validatingHooks(read);
  const dispatch: Dispatch = { hooks, caller, invocation: invocations(needs, 'validating'), observer: observers(env)('validating') };
  return {
    name: 'ValidatingAdmissionWebhook',
    handles: (attributes) => hooks().length > 0 && !isExempt(attributes),
    validate: (attributes) => validate(dispatch, attributes),
  };
}
