import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import { ensureAll } from './ensure.ts';
import { rbacObjects } from './rbac-objects.ts';
import { configMapObjects, flowControlObjects, kubernetesServiceObjects, namespaceObjects, priorityClassObjects } from './system-objects.ts';

/** Everything a fresh cluster has before its first user comes; missing parts are made on every start. */
export const bootstrapPlugin: PluginFactory = (context: PluginContext) => ({
  bootstrap: [
    { name: 'start-system-namespaces-controller', run: (signal) => ensureAll(context, namespaceObjects(), signal) },
    { name: 'rbac/bootstrap-roles', run: (signal) => ensureAll(context, rbacObjects(new Set(context.kinds.all().map(({ group, resource }) => `${resource}.${group}`))), signal) },
    // Those of priority and fairness are kept up to date elsewhere, under a name of their own.
    { name: 'scheduling/bootstrap-system-priority-classes', run: (signal) => ensureAll(context, [...priorityClassObjects(), ...flowControlObjects()], signal) },
    { name: 'start-legacy-token-tracking-controller', run: (signal) => ensureAll(context, configMapObjects({ nowMs: context.env.clock.now() }), signal) },
    {
      name: 'start-kubernetes-service-cidr-controller',
      run: (signal) => ensureAll(context, kubernetesServiceObjects({ serviceCidr: context.config.serviceClusterIpRange, port: context.securePort() }), signal),
    },
  ],
});
