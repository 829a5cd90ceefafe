import { MutatingWebhookConfigurations, ValidatingWebhookConfigurations } from '@orrery/api';
import type { AdmissionPlugin, PluginContext, PluginFactory } from '../../pipeline/index.ts';
import { type Caller, createCaller } from './caller.ts';
import { type Dispatch, invocations } from './dispatch.ts';
import { isExempt } from './match.ts';
import { mutate } from './mutating.ts';
import { observers } from './observe.ts';
import { validate } from './validating.ts';

/** Both webhook plug-ins over a caller. Configurations come from the cache at every write, so a change works at once. */
export function webhookPlugins(context: Pick<PluginContext, 'env' | 'read' | 'kinds' | 'authorize'>, caller: Caller): AdmissionPlugin[] {
  const { read, env } = context;
  const observer = observers(env);
  const shared = { read, caller, invocation: invocations(context) };
  const admitting: Dispatch = { ...shared, observer: observer('admit') };
  const validating: Dispatch = { ...shared, observer: observer('validating') };
  return [
    {
      name: 'MutatingAdmissionWebhook',
      handles: (attributes) => !isExempt(attributes) && read.list(MutatingWebhookConfigurations).length > 0,
      admit: (attributes) => mutate(admitting, attributes),
    },
    {
      name: 'ValidatingAdmissionWebhook',
      handles: (attributes) => !isExempt(attributes) && read.list(ValidatingWebhookConfigurations).length > 0,
      validate: (attributes) => validate(validating, attributes),
    },
  ];
}

/** Goes after the built-in plug-ins and before quota. */
export const webhookPlugin: PluginFactory = (context) => ({ admission: webhookPlugins(context, createCaller(context)) });
