import { Namespaces } from '@orrery/api';
import type { DeviceRequest, DeviceRequestAllocationResult, ResourceClaim, ResourceClaimTemplate } from '@orrery/api/types';
import { fieldError, invalid, isNotFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { creates, wants } from './match.ts';

const group = 'resource.k8s.io';
const label = 'resource.kubernetes.io/admin-access';

const requestsAccess = ({ exactly }: DeviceRequest): boolean => exactly?.adminAccess === true;
const hasAccess = ({ adminAccess }: DeviceRequestAllocationResult): boolean => adminAccess === true;
const resultsOf = (claim: ResourceClaim | undefined): readonly DeviceRequestAllocationResult[] => claim?.status?.allocation?.devices?.results ?? [];

/** Where the write asks for access to devices that others use; undefined when it does not, or when that was granted before. */
function askedAt({ kind, subresource, object, oldObject }: AdmissionAttributes): string | undefined {
  const stored = (one: unknown): unknown => (one === undefined || !kind.storedAs ? one : kind.storedAs.toStorage(one));
  if (subresource === 'status') {
    if (resultsOf(stored(oldObject) as ResourceClaim | undefined).some(hasAccess)) return undefined;
    const index = resultsOf(stored(object) as ResourceClaim).findIndex(hasAccess);
    return index < 0 ? undefined : `status.allocation.devices.results[${index}].adminAccess`;
  }
  const isTemplate = kind.resource === 'resourceclaimtemplates';
  const spec = isTemplate ? (stored(object) as ResourceClaimTemplate).spec?.spec : (stored(object) as ResourceClaim).spec;
  const index = (spec?.devices?.requests ?? []).findIndex(requestsAccess);
  // Of templates too upstream names the field so.
  return index < 0 ? undefined : `spec.devices.requests[${index}].adminAccess`;
}

async function isAllowed({ read, api }: Pick<PluginContext, 'read' | 'api'>, name: string): Promise<boolean> {
  const found = read.get(Namespaces, { name }) ?? (await api.get(Namespaces, { name }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  }));
  return found?.metadata?.labels?.[label] === 'true';
}

/** Claims ask for devices that are in use by others only in namespaces that say so. Upstream asks in its registry. */
export function deviceAdminAccess(context: Pick<PluginContext, 'read' | 'api'>): AdmissionPlugin {
  return {
    name: 'DeviceAdminAccess',
    handles: wants(creates('resourceclaims', group), creates('resourceclaimtemplates', group), { group, resource: 'resourceclaims', subresource: 'status', operations: ['UPDATE'] }),
    async validate(attributes) {
      const field = askedAt(attributes);
      if (field === undefined || (await isAllowed(context, attributes.namespace))) return;
      const problem = fieldError.forbidden(field, `admin access to devices requires the \`${label}: true\` label on the containing namespace`);
      throw invalid({ group, kind: attributes.kind.kind, name: attributes.name }, [problem]);
    },
  };
}
