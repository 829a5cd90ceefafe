import { Namespaces } from '@orrery/api';
import type { Namespace } from '@orrery/api/types';
import { StatusError, forbidden, isNotFound, notFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** The namespace as the cache has it, or, when it is unknown there, as the store has it. */
async function lookUp(context: Pick<PluginContext, 'read' | 'api'>, name: string): Promise<Namespace> {
  const cached = context.read.get(Namespaces, { name });
  if (cached) return cached;
  try {
    return await context.api.get(Namespaces, { name });
  } catch (error) {
    throw isNotFound(error) ? notFound({ group: '', resource: 'namespaces', name }) : error;
  }
}

function terminating(attributes: AdmissionAttributes): StatusError {
  const { namespace } = attributes;
  const base = forbidden(subjectOf(attributes), `unable to create new content in namespace ${namespace} because it is being terminated`).status;
  const causes = [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }];
  return new StatusError({ ...base, details: { ...base.details, causes } });
}

/** Nothing is created in namespaces that do not exist or are ending; some namespaces never end. */
export function namespaceLifecycle(context: Pick<PluginContext, 'read' | 'api'>): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: ({ kind, operation }) => operation !== 'CONNECT' && (kind.namespaced ? operation !== 'DELETE' : kind.resource === 'namespaces' && operation === 'DELETE'),
    async admit(attributes) {
      const { kind, operation, namespace, name } = attributes;
      if (kind.resource === 'namespaces' && kind.group === '') {
        if (immortal.has(name)) throw forbidden({ group: '', resource: 'namespaces', name }, 'this namespace may not be deleted');
        return;
      }
      // A review asks a question; it leaves nothing behind.
      if (!namespace || kind.resource === 'localsubjectaccessreviews') return;
      const found = await lookUp(context, namespace);
      if (operation !== 'CREATE') return;
      if (found.status?.phase === 'Terminating' || found.metadata?.deletionTimestamp) throw terminating(attributes);
    },
  };
}
