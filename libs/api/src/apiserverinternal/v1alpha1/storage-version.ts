import type { ApiserverinternalV1alpha1ServerStorageVersion as ServerStorageVersion, ApiserverinternalV1alpha1StorageVersion as StorageVersion } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkSet } from '../../validation/lists.ts';
import { dns1035Label, dns1123Subdomain, pathSegment } from '../../validation/names.ts';

const versionMessage = "a DNS-1035 label, or a DNS-1123 subdomain followed by '/' and a DNS-1035 label";

/** `v1` or `apps/v1`. */
function checkApiVersion(apiVersion: string, at: FieldPath): void {
  const [first = '', second, ...more] = apiVersion.split('/');
  if (more.length > 0 || apiVersion === '') return at.invalid(apiVersion, `must be ${versionMessage}`);
  if (second === undefined) return at.matches(first, dns1035Label);
  at.matches(first, dns1123Subdomain);
  at.matches(second, dns1035Label);
}

function checkServer({ apiServerID, encodingVersion = '', decodableVersions = [], servedVersions = [] }: ServerStorageVersion, at: FieldPath): void {
  at.child('apiServerID').matches(apiServerID, dns1123Subdomain);
  checkApiVersion(encodingVersion, at.child('encodingVersion'));
  for (const [i, version] of decodableVersions.entries()) checkApiVersion(version, at.child('decodableVersions').at(i));
  if (!decodableVersions.includes(encodingVersion)) at.child('decodableVersions').invalid(decodableVersions, `decodableVersions must include encodingVersion ${encodingVersion}`);
  for (const [i, version] of servedVersions.entries()) {
    checkApiVersion(version, at.child('servedVersions').at(i));
    if (!decodableVersions.includes(version)) at.child('servedVersions').at(i).invalid(version, `individual served version must be included in decodableVersions : [${decodableVersions.join(' ')}]`);
  }
}

function checkStatus({ status }: StorageVersion, at: FieldPath): void {
  const servers = status?.storageVersions ?? [];
  checkSet(servers, { at: at.child('storageVersions'), key: ({ apiServerID }) => apiServerID }, checkServer);
  const [first] = servers;
  const common = first && servers.every(({ encodingVersion }) => encodingVersion === first.encodingVersion) ? first.encodingVersion : undefined;
  const given = status?.commonEncodingVersion;
  const path = at.child('commonEncodingVersion');
  if (given !== undefined && common === undefined) path.invalid(given, 'should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet');
  if (given === undefined && common !== undefined) path.invalid(null, `the common encoding version is ${common}`);
  if (given !== undefined && common !== undefined && given !== common) path.invalid(given, `the actual common encoding version is ${common}`);
  for (const [i, { type, status: value, reason, message }] of (status?.conditions ?? []).entries()) {
    const item = at.child('conditions').at(i);
    item.child('type').matches(type, pathSegment);
    item.child('status').requiredOneOf(value, ['False', 'True', 'Unknown']);
    if (!reason) item.child('reason').required('reason cannot be empty');
    if (!message) item.child('message').required('message cannot be empty');
  }
}

export const storageVersionKind = defineKind<StorageVersion>({
  group: 'internal.apiserver.k8s.io',
  version: 'v1alpha1',
  kind: 'StorageVersion',
  definition: 'io.k8s.api.apiserverinternal.v1alpha1.StorageVersion',
  resource: 'storageversions',
  namespaced: false,
  hasStatus: true,
  nameRule: 'pathSegment',
  unconditionalUpdate: false,
  validate: (version) => findProblems((root) => checkStatus(version, root.child('status'))),
  validateStatusUpdate: (version) => findProblems((root) => checkStatus(version, root.child('status'))),
  columns: [nameColumn, text('CommonEncodingVersion', ({ status }) => status?.commonEncodingVersion ?? '<unset>'), text('StorageVersions', ({ status }) => {
    const list = (status?.storageVersions ?? []).map(({ apiServerID, encodingVersion }) => `${apiServerID}=${encodingVersion}`);
    return list.length === 0 ? '<unset>' : list.slice(0, 3).join(',') + (list.length > 3 ? ` + ${list.length - 3} more...` : '');
  }), ageColumn],
});
