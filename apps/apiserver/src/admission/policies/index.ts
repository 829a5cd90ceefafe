import type { AdmissionPlugin } from '../../pipeline/index.ts';
import { isPolicy } from '../webhooks/match.ts';
import { mutatingHooks, validatingHooks } from './hooks.ts';
import type { Needs } from './invocations.ts';
import { policyMetrics } from './metrics.ts';
import { mutate } from './mutating.ts';
import { validate } from './validating.ts';

/** MutatingAdmissionPolicy. Policies come from the cache at every write, so a change works at once. */
export function mutatingAdmissionPolicy(needs: Needs): AdmissionPlugin {
  const hooks = mutatingHooks(needs.read);
  const observe = policyMetrics(needs.env, 'mutating');
  return {
    name: 'MutatingAdmissionPolicy',
    handles: (attributes) => attributes.operation !== 'DELETE' && hooks().length > 0 && !isPolicy(attributes),
    admit: (attributes) => mutate(hooks(), attributes, { needs, observe }),
  };
}

/** ValidatingAdmissionPolicy. */
export function validatingAdmissionPolicy(needs: Needs): AdmissionPlugin {
  const hooks = validatingHooks(needs.read);
  const observe = policyMetrics(needs.env, 'validating');
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: (attributes) => hooks().length > 0 && !isPolicy(attributes),
    validate: (attributes) => validate(hooks(), attributes, { needs, observe }),
  };
}
