import type { Subject } from '@orrery/api/types';
import { controllerRoles } from './controller-roles.ts';
import type { RoleRow } from './rules.ts';
import { events, named, rule } from './rules.ts';

/** A cluster role binding as a table row. */
export interface BindingRow {
  readonly name: string;
  readonly role: string;
  readonly subjects: readonly Subject[];
}

export const user = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
export const group = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name });
export const serviceAccount = (name: string, namespace = 'kube-system'): Subject => ({ kind: 'ServiceAccount', name, namespace });

/** Binds a role under its own name. */
const bind = (role: string, ...subjects: readonly Subject[]): BindingRow => ({ name: role, role, subjects });

const authenticated = group('system:authenticated');

/**
 * What upstream leaves to add-ons and deployment tools: the components of this project that come as users of their own.
 * `orrery:controller-manager` is the sum of the controllers' roles, for a manager that runs all of them as one user (without
 * `--use-service-account-credentials`); and it makes the storage class of a new cluster.
 */
export const componentRoles: readonly RoleRow[] = [
  { name: 'orrery:controller-manager', rules: [...controllerRoles.flatMap((row) => row.rules), rule('create', 'storage.k8s.io', 'storageclasses')] },
  {
    name: 'orrery:local-volume-provisioner',
    rules: [
      rule('create delete update', 'core', 'persistentvolumes'),
      rule('update', 'core', 'persistentvolumeclaims persistentvolumeclaims/status'),
      rule('create delete', 'core', 'pods'),
      rule('create', 'storage.k8s.io', 'storageclasses'),
      events,
    ],
  },
  {
    name: 'orrery:storage-version-garbage-collector',
    withResource: 'storageversions.internal.apiserver.k8s.io',
    rules: [rule('get list watch', 'coordination.k8s.io', 'leases'), rule('delete get list watch', 'internal.apiserver.k8s.io', 'storageversions'), rule('update', 'internal.apiserver.k8s.io', 'storageversions/status')],
  },
  {
    // Behind a gate that is off, so upstream's own roles lack it as well. Applying to what is gone takes `create`, and is then a conflict.
    name: 'orrery:storage-version-migrator',
    withResource: 'storageversionmigrations.storagemigration.k8s.io',
    rules: [
      rule('create list patch', '*', '*'),
      rule('update', 'storagemigration.k8s.io', 'storageversionmigrations/status'),
      rule('get', 'apiextensions.k8s.io', 'customresourcedefinitions'),
      rule('update', 'apiextensions.k8s.io', 'customresourcedefinitions/status'),
    ],
  },
  {
    name: 'system:coredns',
    rules: [rule('list watch', 'core', 'endpoints namespaces nodes pods services'), rule('list watch', 'discovery.k8s.io', 'endpointslices')],
  },
  {
    // kube-proxy programs the switches of the emulated network, NetworkPolicy included, which upstream leaves to network plug-ins.
    name: 'orrery:network-policy',
    rules: [rule('get list watch', 'core', 'namespaces pods'), rule('get list watch', 'networking.k8s.io', 'networkpolicies')],
  },
  {
    name: 'orrery:ingress',
    rules: [
      rule('get list watch', 'core', 'configmaps endpoints namespaces nodes pods secrets services'),
      rule('get list watch', 'networking.k8s.io', 'ingressclasses ingresses'),
      rule('create', 'networking.k8s.io', 'ingressclasses'),
      rule('patch update', 'networking.k8s.io', 'ingresses/status'),
      rule('get list watch', 'discovery.k8s.io', 'endpointslices'),
      rule('create get list patch update watch', 'coordination.k8s.io', 'leases'),
      rule('create patch update', 'core events.k8s.io', 'events'),
    ],
  },
  {
    name: 'system:metrics-server',
    rules: [
      rule('get', 'core', 'nodes/metrics'),
      rule('get list watch', 'core', 'nodes pods'),
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      named('v1beta1.metrics.k8s.io', rule('get update', 'apiregistration.k8s.io', 'apiservices')),
      rule('create', 'apiregistration.k8s.io', 'apiservices'),
    ],
  },
  {
    name: 'system:aggregated-metrics-reader',
    labels: Object.fromEntries(['admin', 'edit', 'view'].map((to) => [`rbac.authorization.k8s.io/aggregate-to-${to}`, 'true'])),
    rules: [rule('get list watch', 'metrics.k8s.io', 'nodes pods')],
  },
  {
    name: 'orrery:csi-disk',
    rules: [
      rule('create delete get list patch update watch', 'core', 'persistentvolumes'),
      rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
      rule('patch update', 'core', 'persistentvolumeclaims/status'),
      rule('get list watch', 'core', 'nodes'),
      rule('create get list watch', 'storage.k8s.io', 'csidrivers storageclasses'),
      rule('get list watch', 'storage.k8s.io', 'csinodes volumeattributesclasses'),
      rule('get list patch update watch', 'storage.k8s.io', 'volumeattachments'),
      rule('patch update', 'storage.k8s.io', 'volumeattachments/status'),
      rule('create get list patch update watch', 'snapshot.storage.k8s.io', 'volumesnapshots volumesnapshotclasses'),
      rule('create delete get list patch update watch', 'snapshot.storage.k8s.io', 'volumesnapshotcontents'),
      rule('patch update', 'snapshot.storage.k8s.io', 'volumesnapshots/status volumesnapshotcontents/status'),
      rule('create get', 'apiextensions.k8s.io', 'customresourcedefinitions'),
      rule('create get list patch update watch', 'coordination.k8s.io', 'leases'),
      events,
    ],
  },
  {
    name: 'system:cloud-controller-manager',
    rules: [
      rule('create patch update', 'core events.k8s.io', 'events'),
      rule('*', 'core', 'nodes'),
      rule('patch update', 'core', 'nodes/status'),
      rule('get list patch update watch', 'core', 'services'),
      rule('patch update', 'core', 'services/status'),
      rule('create get list watch', 'core', 'serviceaccounts'),
      rule('create', 'core', 'serviceaccounts/token'),
      rule('get list update watch', 'core', 'persistentvolumes'),
      rule('get list watch', 'core', 'endpoints pods'),
      rule('get list watch', 'discovery.k8s.io', 'endpointslices'),
      rule('create get list patch update watch', 'coordination.k8s.io', 'leases'),
      // Who asks at its port, and whether they may.
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ],
  },
];

const componentBindings: readonly BindingRow[] = [
  bind('orrery:controller-manager', user('system:kube-controller-manager')),
  bind('orrery:local-volume-provisioner', serviceAccount('local-volume-provisioner')),
  bind('orrery:storage-version-garbage-collector', serviceAccount('storage-version-garbage-collector')),
  bind('orrery:storage-version-migrator', serviceAccount('storage-version-migrator')),
  bind('orrery:network-policy', user('system:kube-proxy'), serviceAccount('kube-proxy')),
  bind('system:coredns', user('system:coredns'), serviceAccount('coredns')),
  bind('system:metrics-server', user('system:metrics-server'), serviceAccount('metrics-server')),
  bind('orrery:ingress', user('system:ingress'), serviceAccount('ingress')),
  bind('orrery:csi-disk', user('system:csi-disk'), serviceAccount('csi-disk')),
  bind('system:cloud-controller-manager', user('system:cloud-controller-manager'), serviceAccount('cloud-controller-manager')),
];

const controllerBindings = controllerRoles.map((row) => bind(row.name, serviceAccount(row.name.replace('system:controller:', ''))));

/** Upstream's default bindings, the controllers' and those of this project's components. */
export const clusterRoleBindings: readonly BindingRow[] = [
  bind('cluster-admin', group('system:masters')),
  bind('system:monitoring', group('system:monitoring')),
  bind('system:discovery', authenticated),
  bind('system:basic-user', authenticated),
  bind('system:public-info-viewer', authenticated, group('system:unauthenticated')),
  bind('system:node-proxier', user('system:kube-proxy')),
  bind('system:kube-controller-manager', user('system:kube-controller-manager')),
  bind('system:kube-dns', serviceAccount('kube-dns')),
  bind('system:kube-scheduler', user('system:kube-scheduler')),
  bind('system:volume-scheduler', user('system:kube-scheduler')),
  bind('system:node'),
  bind('system:service-account-issuer-discovery', group('system:serviceaccounts')),
  ...controllerBindings,
  ...componentBindings,
];
