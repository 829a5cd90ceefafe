import { Pods } from '@orrery/api';
import { failed } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';

/** Binds through the API server's `pods/binding`. */
export const defaultBinder = definePlugin({
  name: 'DefaultBinder',
  create: ({ api }) => ({
    name: 'DefaultBinder',
    async bind(_state, { pod }, nodeName) {
      const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target: { kind: 'Node', name: nodeName } };
      try {
        await api.createSubresource(Pods, { namespace, name }, 'binding', binding);
        return undefined;
      } catch (error) {
        return failed(error);
      }
    },
  }),
});
