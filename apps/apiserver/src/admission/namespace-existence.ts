import { Namespaces } from '@orrery/api';
import { forbidden, isAlreadyExists } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';

type Context = Pick<PluginContext, 'read' | 'api'>;

const isInside = ({ kind, namespace }: AdmissionAttributes): boolean => namespace !== '' && !(kind.group === '' && kind.resource === 'namespaces');

/** Nothing happens in a namespace that is not there. */
export function namespaceExists({ read, api }: Context): AdmissionPlugin {
  return {
    name: 'NamespaceExists',
    handles: (attributes) => attributes.operation !== 'CONNECT' && isInside(attributes),
    async validate({ namespace: name }) {
      if (!read.get(Namespaces, { name })) await api.get(Namespaces, { name });
    },
  };
}

/** Makes the namespace of what is created in one that is not there. */
export function namespaceAutoProvision({ read, api }: Context): AdmissionPlugin {
  return {
    name: 'NamespaceAutoProvision',
    handles: (attributes) => attributes.operation === 'CREATE' && isInside(attributes) && !attributes.dryRun,
    async admit(attributes) {
      const { namespace: name } = attributes;
      if (read.get(Namespaces, { name })) return;
      try {
        await api.create(Namespaces, { metadata: { name } });
      } catch (error) {
        if (!isAlreadyExists(error)) throw forbidden(subjectOf(attributes), (error as Error).message);
      }
    },
  };
}
