import { type KindDescriptor, Namespaces } from '@orrery/api';
import type { Namespace } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import { reviewRequest } from '../webhooks/review.ts';
import { type Asking, requestResourceOf } from './asking.ts';
import type { Inputs } from './evaluation.ts';

const isNamespace = ({ objectKind }: AdmissionAttributes): boolean => objectKind.group === '' && objectKind.kind === 'Namespace';

/** The namespace that the write is in; undefined for the cluster scope and for namespaces themselves. Throws 404. */
export async function namespaceOf(attributes: AdmissionAttributes, { read, api }: Pick<PluginContext, 'read' | 'api'>): Promise<Namespace | undefined> {
  const { namespace: name } = attributes;
  if (!name || isNamespace(attributes)) return undefined;
  // The cache may be behind for a moment.
  return read.get(Namespaces, { name }) ?? (await api.get(Namespaces, { name }));
}

const shownMetadata = [
  'name', 'generateName', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'labels', 'annotations', 'finalizers',
] as const;

/** What expressions see of it: no owners, no managed fields. */
function shown(namespace: Namespace | undefined): unknown {
  if (!namespace) return null;
  const { metadata = {}, spec = {}, status = {} } = namespace;
  const fields = shownMetadata.filter((name) => metadata[name] !== undefined).map((name) => [name, metadata[name]] as const);
  return { metadata: Object.fromEntries(fields), spec, status };
}

/** What expressions about a write see, as `kind` (what they matched it as). */
export function inputsOf(attributes: AdmissionAttributes, kind: KindDescriptor, more: { namespace: Namespace | undefined; params: KubeObject | undefined; asking: Asking }): Inputs {
  const { object, oldObject, uid: _uid, ...request } = reviewRequest(attributes, kind, '');
  return {
    object: object ?? null,
    oldObject: oldObject ?? null,
    request,
    params: more.params ?? null,
    namespaceObject: shown(more.namespace),
    authorizer: more.asking.value(requestResourceOf(attributes)),
  };
}

