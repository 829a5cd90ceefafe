import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import { ensureAll } from './ensure.ts';
import { rbacObjects } from './rbac-objects.ts';
import { configMapObjects, flowControlObjects, kubernetesServiceObjects, namespaceObjects, priorityClassObjects } from './system-objects.ts';

/** Everything a fresh cluster has before its first user comes; missing parts are made on every start. */
export const bootstrapPlugin: PluginFactory = (context: PluginContext) => ({
  bootstrap: [
    { name: 'namespaces', run: (signal) => ensureAll(context, namespaceObjects(), signal) },
    {
      name: 'defaults',
      run: (signal) => {
        const { config, env } = context;
        const objects = [
          ...priorityClassObjects(),
          ...rbacObjects(),
          ...flowControlObjects(),
          ...configMapObjects({ nowMs: env.clock.now() }),
          ...kubernetesServiceObjects({ serviceCidr: config.serviceClusterIpRange, port: context.securePort() }),
        ];
        return ensureAll(context, objects, signal);
      },
    },
  ],
});
