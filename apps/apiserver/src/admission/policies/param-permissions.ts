import { MutatingAdmissionPolicies, ValidatingAdmissionPolicies } from '@orrery/api';
import type { ParamKind } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { type StatusError, fieldError, invalid } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext, UserInfo } from '../../pipeline/index.ts';
import type { Binding, Policy } from './hooks.ts';

type Needs = Pick<PluginContext, 'read' | 'kinds' | 'authorize'>;

interface Target {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

const group = 'admissionregistration.k8s.io';
const anything: Target = { group: '*', version: '*', resource: '*' };

/** What may be known of a kind of params: of one that is not served at least the group and version. */
function targetOf(kind: ParamKind | undefined, kinds: Needs['kinds']): Target {
  const { apiVersion = '', kind: name = '' } = kind ?? {};
  const parts = apiVersion.split('/');
  if (!kind || parts.length > 2) return anything;
  const [of = '', version = ''] = parts.length === 2 ? parts : ['', ...parts];
  return { group: of, version, resource: kinds.byKind(of, version, name)?.resource ?? '*' };
}

/** As Go prints a user. */
function printed({ username, uid = '', groups, extra = {} }: UserInfo): string {
  const pairs = Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, values]) => `${key}:[${values.join(' ')}]`);
  return `&{${username} ${uid} [${groups.join(' ')}] map[${pairs.join(' ')}]}`;
}

async function may(user: UserInfo, question: Target & { verb: string; namespace: string; name: string }, { authorize }: Needs): Promise<boolean> {
  return (await authorize({ user, info: { isResource: true, path: '', subresource: '', ...question } })).decision === 'allow';
}

const refused = ({ kind, name }: AdmissionAttributes, field: string, why: string): StatusError => invalid({ group, kind: kind.kind, name }, [fieldError.forbidden(field, why)]);

async function checkPolicy(attributes: AdmissionAttributes, needs: Needs): Promise<void> {
  const { object, oldObject, user } = attributes;
  const kind = (object as Policy).spec?.paramKind;
  if (!kind || deepEqual(kind, (oldObject as Policy | undefined)?.spec?.paramKind)) return;
  if (await may(user, { ...targetOf(kind, needs.kinds), verb: 'get', namespace: '*', name: '*' }, needs)) return;
  throw refused(attributes, 'spec.paramKind', `user ${printed(user)} must have "get" permission on all objects of the referenced paramKind (kind=${kind.kind}, apiVersion=${kind.apiVersion})`);
}

async function checkBinding(attributes: AdmissionAttributes, needs: Needs): Promise<void> {
  const { object, oldObject, user, kind } = attributes;
  const { paramRef: ref, policyName = '' } = (object as Binding).spec ?? {};
  const before = (oldObject as Binding | undefined)?.spec;
  if (!ref || (deepEqual(ref, before?.paramRef) && policyName === before?.policyName)) return;
  const policies = kind.kind === 'ValidatingAdmissionPolicyBinding' ? ValidatingAdmissionPolicies : MutatingAdmissionPolicies;
  const verb = ref.name ? 'get' : 'list';
  const params = (needs.read.get<Policy>(policies, { name: policyName }) as Policy | undefined)?.spec?.paramKind;
  if (await may(user, { ...targetOf(params, needs.kinds), verb, namespace: ref.namespace ?? '', name: ref.name ?? '' }, needs)) return;
  // Upstream has these two the wrong way round.
  throw refused(attributes, 'spec.paramRef', `user ${verb} does not have "${printed(user)}" permission on the object referenced by paramRef`);
}

/**
 * Nobody learns by a policy what they may not read: who writes one must be able to read its params. Upstream's strategies do
 * this, whatever plug-ins run.
 */
export function paramPermissions(needs: Needs): AdmissionPlugin {
  return {
    name: 'PolicyParamPermissions',
    handles: ({ kind, operation, subresource }) => kind.group === group && kind.resource.includes('admissionpolic') && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
    validate: (attributes) => (attributes.kind.kind.endsWith('Binding') ? checkBinding(attributes, needs) : checkPolicy(attributes, needs)),
  };
}
