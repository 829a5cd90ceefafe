import type { PolicyRule, Subject } from '@orrery/api/types';
import { group, serviceAccount, user } from './cluster-role-bindings.ts';
import { events, named, read, readWrite, rule } from './rules.ts';

/** A role in a namespace. */
export interface NamespaceRoleRow {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly PolicyRule[];
}

/** A role binding in a namespace. */
export interface NamespaceBindingRow {
  readonly namespace: string;
  readonly name: string;
  readonly role: string;
  readonly subjects: readonly Subject[];
}

const leaderLock = (name: string): NamespaceRoleRow => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${name}`,
  rules: [rule('watch', 'core', 'configmaps'), named(name, rule('get update', 'core', 'configmaps'))],
});

const leaderLockBinding = (name: string): NamespaceBindingRow => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${name}`,
  role: `system::leader-locking-${name}`,
  subjects: [user(`system:${name}`), serviceAccount(name)],
});

const controller = (namespace: string, name: string): NamespaceBindingRow => ({
  namespace,
  name: `system:controller:${name}`,
  role: `system:controller:${name}`,
  subjects: [serviceAccount(name)],
});

export const namespaceRoles: readonly NamespaceRoleRow[] = [
  { namespace: 'kube-system', name: 'extension-apiserver-authentication-reader', rules: [named('extension-apiserver-authentication', rule(read, 'core', 'configmaps'))] },
  { namespace: 'kube-system', name: 'system:controller:bootstrap-signer', rules: [rule(read, 'core', 'secrets')] },
  { namespace: 'kube-system', name: 'system:controller:cloud-provider', rules: [rule('create get list watch', 'core', 'configmaps')] },
  { namespace: 'kube-system', name: 'system:controller:token-cleaner', rules: [rule('delete get list watch', 'core', 'secrets'), events] },
  leaderLock('kube-controller-manager'),
  leaderLock('kube-scheduler'),
  // Components with a place in the emulated network find each other by ConfigMaps.
  { namespace: 'kube-system', name: 'orrery:component', rules: [rule('create get list patch update watch', 'core', 'configmaps')] },
  // CoreDNS is no Pod here and so keeps the Service and the slice of its own.
  { namespace: 'kube-system', name: 'orrery:kube-dns', rules: [rule('create get', 'core', 'services'), rule(readWrite, 'discovery.k8s.io', 'endpointslices')] },
  // The metrics server is no Pod either: it says itself where its Service leads.
  { namespace: 'kube-system', name: 'orrery:metrics-server', rules: [rule('create', 'core', 'services'), named('metrics-server', rule('get update', 'core', 'services'))] },
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [rule(read, 'core', 'configmaps'), named('cluster-info', rule('update', 'core', 'configmaps')), events],
  },
];

export const namespaceRoleBindings: readonly NamespaceBindingRow[] = [
  {
    namespace: 'kube-system',
    name: 'system::extension-apiserver-authentication-reader',
    role: 'extension-apiserver-authentication-reader',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  },
  { namespace: 'kube-system', name: 'metrics-server-auth-reader', role: 'extension-apiserver-authentication-reader', subjects: [user('system:metrics-server'), serviceAccount('metrics-server')] },
  { namespace: 'kube-system', name: 'cloud-controller-manager-auth-reader', role: 'extension-apiserver-authentication-reader', subjects: [user('system:cloud-controller-manager'), serviceAccount('cloud-controller-manager')] },
  { namespace: 'kube-system', name: 'orrery:metrics-server', role: 'orrery:metrics-server', subjects: [user('system:metrics-server')] },
  { namespace: 'kube-system', name: 'orrery:component', role: 'orrery:component', subjects: [group('orrery:components')] },
  { namespace: 'kube-system', name: 'orrery:kube-dns', role: 'orrery:kube-dns', subjects: [user('system:coredns')] },
  leaderLockBinding('kube-controller-manager'),
  leaderLockBinding('kube-scheduler'),
  controller('kube-system', 'bootstrap-signer'),
  controller('kube-system', 'cloud-provider'),
  controller('kube-system', 'token-cleaner'),
  controller('kube-public', 'bootstrap-signer'),
];
