import type { APIService } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { inRange } from '../../validation/fields.ts';
import { dns1035Label, dns1123Subdomain } from '../../validation/names.ts';

function checkService({ metadata, spec }: APIService, root: FieldPath): void {
  const at = root.child('spec');
  const group = spec?.group ?? '';
  const version = spec?.version ?? '';
  const name = metadata?.name ?? '';
  const wanted = `${version}.${group}`;
  if (name !== wanted) root.child('metadata').child('name').invalid(name, `must be \`spec.version+"."+spec.group\`: "${wanted}"`);
  if (group === '' && version !== 'v1') at.child('group').required('only v1 may have an empty group and it better be legacy kube');
  if (group !== '') at.child('group').matches(group, dns1123Subdomain);
  at.child('version').matches(version, dns1035Label);
  if ((spec?.groupPriorityMinimum ?? 0) <= 0 || (spec?.groupPriorityMinimum ?? 0) > 20_000) at.child('groupPriorityMinimum').invalid(spec?.groupPriorityMinimum ?? 0, 'must be positive and less than 20000');
  if ((spec?.versionPriority ?? 0) <= 0 || (spec?.versionPriority ?? 0) > 1000) at.child('versionPriority').invalid(spec?.versionPriority ?? 0, 'must be positive and less than 1000');
  const service = spec?.service;
  if (!service) {
    if (spec?.caBundle) at.child('caBundle').invalid(`${Buffer.from(spec.caBundle, 'base64').length} bytes`, 'local APIServices may not have a caBundle');
    if (spec?.insecureSkipTLSVerify) at.child('insecureSkipTLSVerify').invalid(true, 'local APIServices may not have insecureSkipTLSVerify');
    return;
  }
  if (!service.namespace) at.child('service').child('namespace').required();
  if (!service.name) at.child('service').child('name').required();
  const port = service.port ?? 0;
  const problems = inRange(port, 1, 65_535);
  if (problems.length) at.child('service').child('port').invalid(port, `port is not valid: ${problems.join(', ')}`);
  if (spec.insecureSkipTLSVerify && spec.caBundle) at.child('insecureSkipTLSVerify').invalid(true, 'may not be true if caBundle is present');
}

const verdicts = ['True', 'False', 'Unknown'];

function checkStatus({ status }: APIService, at: FieldPath): void {
  for (const [i, condition] of (status?.conditions ?? []).entries()) {
    if (!verdicts.includes(condition.status)) at.child('conditions').at(i).child('status').notSupported(condition.status, verdicts);
  }
}

function available({ status }: APIService): string {
  const condition = (status?.conditions ?? []).find(({ type }) => type === 'Available');
  if (!condition) return 'Unknown';
  if (condition.status === 'True') return 'True';
  return condition.reason ? `${condition.status} (${condition.reason})` : condition.status;
}

export const apiServiceKind = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  resource: 'apiservices',
  namespaced: false,
  categories: ['api-extensions'],
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  hasStatus: true,
  unconditionalUpdate: false,
  nameRule: 'pathSegment',
  defaults: ({ spec }) => {
    if (spec?.service) spec.service.port ??= 443;
  },
  // A service that no other server stands behind is always there.
  onCreate: (service, { nowMs }) => {
    if (service.spec?.service) return;
    const lastTransitionTime = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
    service.status = { conditions: [{ type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available', lastTransitionTime }] };
  },
  validate: (service) => findProblems((root) => checkService(service, root)),
  validateStatusUpdate: (service) => findProblems((root) => checkStatus(service, root.child('status'))),
  columns: [
    nameColumn,
    text('Service', ({ spec }) => (spec?.service ? `${spec.service.namespace ?? ''}/${spec.service.name ?? ''}` : 'Local')),
    text('Available', available),
    ageColumn,
  ],
});
