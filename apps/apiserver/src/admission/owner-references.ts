import type { OwnerReference } from '@orrery/api/types';
import { type KubeObject, deepEqual } from '@orrery/apimachinery';
import { forbidden } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';

type Context = Pick<PluginContext, 'kinds' | 'authorize'>;

const ownersOf = (object: unknown): readonly OwnerReference[] => ((object as KubeObject | undefined)?.metadata?.['ownerReferences'] ?? []) as readonly OwnerReference[];

/** Owners that were not there before, or did not wait for this object then. */
function newlyBlocking({ object, oldObject }: AdmissionAttributes): readonly OwnerReference[] {
  const before = new Set(ownersOf(oldObject).flatMap(({ uid, blockOwnerDeletion }) => (blockOwnerDeletion ? [uid] : [])));
  return ownersOf(object).filter(({ uid, blockOwnerDeletion }) => blockOwnerDeletion && !before.has(uid));
}

interface Question {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

async function refusalOf(question: Question, attributes: AdmissionAttributes, { authorize }: Context): Promise<string | undefined> {
  const { decision, reason } = await authorize({ user: attributes.user, info: { isResource: true, path: '', ...question } });
  return decision === 'allow' ? undefined : reason;
}

/** To delete what is owned is to say who owns it; to hold up an owner's deletion takes a say in its finalizers. */
export function ownerReferencesPermissionEnforcement(context: Context): AdmissionPlugin {
  const checkBlocking = async (attributes: AdmissionAttributes, { apiVersion, kind: name, name: owner }: OwnerReference): Promise<void> => {
    const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const kind = context.kinds.byKind(group, version, name);
    if (!kind) throw forbidden(subjectOf(attributes), `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${apiVersion} Kind ${name}: no matches for kind ${JSON.stringify(name)} in version ${JSON.stringify(apiVersion)}`);
    const question = { verb: 'update', group, version, resource: kind.resource, subresource: 'finalizers', namespace: kind.namespaced ? attributes.namespace : '', name: owner };
    const why = await refusalOf(question, attributes, context);
    if (why !== undefined) throw forbidden(subjectOf(attributes), `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${why}, <nil>`);
  };
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: ({ operation, kind, subresource }) => (operation === 'CREATE' || operation === 'UPDATE') && !(kind.group === '' && kind.resource === 'pods' && subresource === 'status'),
    async validate(attributes) {
      const { kind, namespace, name, subresource, object, oldObject } = attributes;
      if (deepEqual(ownersOf(object), ownersOf(oldObject))) return;
      const why = await refusalOf({ verb: 'delete', group: kind.group, version: kind.version, resource: kind.resource, subresource, namespace, name }, attributes, context);
      if (why !== undefined) throw forbidden(subjectOf(attributes), `cannot set an ownerRef on a resource you can't delete: ${why}, <nil>`);
      for (const owner of newlyBlocking(attributes)) await checkBlocking(attributes, owner);
    },
  };
}
