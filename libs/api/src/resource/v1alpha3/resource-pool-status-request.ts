import type { ResourceV1alpha3PoolStatus as PoolStatus, ResourceV1alpha3ResourcePoolStatusRequest as ResourcePoolStatusRequest } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { checkItems } from '../../validation/lists.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkDriverName, checkPoolName } from '../v1/names.ts';

const maxLimit = 1000;
const counters = ['totalDevices', 'allocatedDevices', 'availableDevices', 'unavailableDevices', 'resourceSliceCount', 'generation'] as const;

function checkSpec({ spec }: ResourcePoolStatusRequest, at: FieldPath): void {
  if (!spec?.driver) at.child('driver').required('driver name is required');
  else checkDriverName(spec.driver, at.child('driver'));
  if (spec?.poolName === '') at.child('poolName').invalid('', 'must not be empty when specified');
  else if (spec?.poolName !== undefined) checkPoolName(spec.poolName, at.child('poolName'));
  const limit = spec?.limit;
  if (limit !== undefined && limit < 1) at.child('limit').invalid(limit, 'must be at least 1');
  if (limit !== undefined && limit > maxLimit) at.child('limit').invalid(limit, `must not exceed ${maxLimit}`);
}

function checkPool(pool: PoolStatus, at: FieldPath): void {
  checkDriverName(pool.driver, at.child('driver'));
  checkPoolName(pool.poolName, at.child('poolName'));
  if (pool.nodeName === '') at.child('nodeName').required('nodeName must not be empty when specified');
  else if (pool.nodeName !== undefined) at.child('nodeName').matches(pool.nodeName, dns1123Subdomain);
  for (const name of counters) if ((pool[name] ?? 0) < 0) at.child(name).invalid(pool[name], 'must be non-negative');
}

const isAnswered = ({ status }: ResourcePoolStatusRequest): boolean => Object.keys(status ?? {}).length > 0;

/** A question to the control plane: asked once, answered once. */
export const resourcePoolStatusRequestKind = defineKind<ResourcePoolStatusRequest>({
  group: 'resource.k8s.io',
  version: 'v1alpha3',
  kind: 'ResourcePoolStatusRequest',
  resource: 'resourcepoolstatusrequests',
  namespaced: false,
  hasStatus: true,
  generation: 'spec',
  onCreate: (request) => delete request.status,
  defaults: ({ spec }) => {
    if (spec) spec.limit ??= 100;
  },
  validate: (request) => findProblems((root) => checkSpec(request, root.child('spec'))),
  validateUpdate: (request, old) => findProblems((root) => checkImmutable({ value: request.spec, old: old.spec }, root.child('spec'))),
  validateStatusUpdate: (request, old) =>
    findProblems((root) => {
      const at = root.child('status');
      if (isAnswered(old)) return checkImmutable({ value: request.status, old: old.status }, at);
      checkItems(request.status?.pools, { at: at.child('pools') }, checkPool);
      checkConditions(request.status?.conditions, at.child('conditions'));
    }),
  columns: [nameColumn, ageColumn],
});
