import { type RoleRow, events, named, read, readUpdate, readWrite, rule, urls, write } from './rules.ts';

const aggregate = (to: string): string => `rbac.authorization.k8s.io/aggregate-to-${to}`;
const into = (to: string): Record<string, string> => ({ [aggregate(to)]: 'true' });

const signer = (name: string, verb: string, signerName: string): RoleRow => ({
  name: `system:certificates.k8s.io:${name}`,
  rules: [named(signerName, rule(verb, 'certificates.k8s.io', 'signers'))],
});

const extensionsResources = 'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale';

const editRules = [
  rule(read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  rule('impersonate', 'core', 'serviceaccounts'),
  rule(write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  rule('create', 'core', 'pods/eviction'),
  rule(write, 'core', 'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(write, 'apps', 'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale'),
  rule(write, 'autoscaling', 'horizontalpodautoscalers'),
  rule(write, 'batch', 'cronjobs jobs'),
  rule(write, 'extensions', extensionsResources),
  rule(write, 'policy', 'poddisruptionbudgets'),
  rule(write, 'networking.k8s.io', 'ingresses networkpolicies'),
  rule(readWrite, 'coordination.k8s.io', 'leases'),
  rule(write, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
];

const viewRules = [
  rule(read, 'core', 'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status'),
  rule(read, 'core', 'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status'),
  rule(read, 'core', 'namespaces'),
  rule(read, 'discovery.k8s.io', 'endpointslices'),
  rule(
    read,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  rule(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(
    read,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  rule(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  rule(read, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

/** What any node may do; the Node authorizer decides on secrets, pods and the like by itself. */
const nodeRules = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  rule(read, 'core', 'services'),
  rule('create get list watch', 'core', 'nodes'),
  rule('patch update', 'core', 'nodes/status'),
  rule('patch update', 'core', 'nodes'),
  rule('create patch update', 'core events.k8s.io', 'events'),
  rule(read, 'core', 'pods'),
  rule('create delete', 'core', 'pods'),
  rule('patch update', 'core', 'pods/status'),
  rule('create', 'core', 'pods/eviction'),
  rule(read, 'core', 'configmaps secrets'),
  rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('get', 'core', 'endpoints'),
  rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  rule('create delete get patch update', 'coordination.k8s.io', 'leases'),
  rule('get', 'storage.k8s.io', 'volumeattachments'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule('get patch update', 'core', 'persistentvolumeclaims/status'),
  rule(read, 'storage.k8s.io', 'csidrivers'),
  rule('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  rule(read, 'node.k8s.io', 'runtimeclasses'),
  rule('get', 'resource.k8s.io', 'resourceclaims'),
  rule('create delete deletecollection get list patch update watch', 'resource.k8s.io', 'resourceslices'),
];

const controllerManagerRules = [
  events,
  rule('create', 'coordination.k8s.io', 'leases'),
  named('kube-controller-manager', rule('get update', 'coordination.k8s.io', 'leases')),
  rule('create', 'core', 'secrets serviceaccounts'),
  rule('delete', 'core', 'secrets'),
  rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
  rule('update', 'core', 'secrets serviceaccounts'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule('list watch', '*', '*'),
  rule('create', 'core', 'serviceaccounts/token'),
];

const schedulerRules = [
  events,
  rule('create', 'coordination.k8s.io', 'leases'),
  named('kube-scheduler', rule('get update', 'coordination.k8s.io', 'leases')),
  rule(read, 'core', 'nodes'),
  rule('delete get list watch', 'core', 'pods'),
  rule('create', 'core', 'bindings pods/binding'),
  rule('patch update', 'core', 'pods/status'),
  rule(read, 'core', 'replicationcontrollers services'),
  rule(read, 'apps extensions', 'replicasets'),
  rule(read, 'apps', 'statefulsets'),
  rule(read, 'policy', 'poddisruptionbudgets'),
  rule(read, 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule(read, 'storage.k8s.io', 'csinodes'),
  rule(read, 'core', 'namespaces'),
  rule(read, 'storage.k8s.io', 'csidrivers'),
  rule(read, 'storage.k8s.io', 'csistoragecapacities'),
  rule(read, 'storage.k8s.io', 'volumeattachments'),
  rule(readUpdate, 'resource.k8s.io', 'resourceclaims resourceclaims/status'),
  // For extended resources that devices stand for.
  rule('create delete', 'resource.k8s.io', 'resourceclaims'),
  rule(read, 'resource.k8s.io', 'deviceclasses resourceslices'),
];

/** Upstream's default cluster roles. */
export const clusterRoles: readonly RoleRow[] = [
  { name: 'cluster-admin', rules: [rule('*', '*', '*'), { verbs: ['*'], nonResourceURLs: ['*'] }] },
  { name: 'system:discovery', rules: [urls('/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/')] },
  { name: 'system:monitoring', rules: [urls('/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'), urls('/flagz'), urls('/statusz')] },
  {
    name: 'system:basic-user',
    rules: [rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'), rule('create', 'authentication.k8s.io', 'selfsubjectreviews')],
  },
  { name: 'system:public-info-viewer', rules: [urls('/healthz /livez /readyz /version /version/')] },
  { name: 'admin', rules: [], aggregates: aggregate('admin') },
  { name: 'edit', rules: [], aggregates: aggregate('edit'), labels: into('admin') },
  { name: 'view', rules: [], aggregates: aggregate('view'), labels: into('edit') },
  {
    name: 'system:aggregate-to-admin',
    rules: [rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'), rule(readWrite, 'rbac.authorization.k8s.io', 'rolebindings roles')],
    labels: into('admin'),
  },
  { name: 'system:aggregate-to-edit', rules: editRules, labels: into('edit') },
  { name: 'system:aggregate-to-view', rules: viewRules, labels: into('view') },
  { name: 'system:heapster', rules: [rule(read, 'core', 'events namespaces nodes pods'), rule(read, 'extensions', 'deployments')] },
  { name: 'system:node', rules: nodeRules },
  { name: 'system:node-problem-detector', rules: [rule('get', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), events] },
  {
    name: 'system:node-proxier',
    rules: [
      rule('list watch', 'core', 'endpoints services'),
      rule(read, 'core', 'nodes'),
      events,
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
      rule('list watch', 'networking.k8s.io', 'servicecidrs'),
    ],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      rule(read, 'core', 'nodes'),
      rule('proxy', 'core', 'nodes'),
      rule('*', 'core', 'nodes/checkpoint nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
    ],
  },
  { name: 'system:node-bootstrapper', rules: [rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests')] },
  { name: 'system:auth-delegator', rules: [rule('create', 'authentication.k8s.io', 'tokenreviews'), rule('create', 'authorization.k8s.io', 'subjectaccessreviews')] },
  { name: 'system:kube-aggregator', rules: [rule(read, 'core', 'endpoints services')] },
  { name: 'system:kube-controller-manager', rules: controllerManagerRules },
  { name: 'system:kube-dns', rules: [rule('list watch', 'core', 'endpoints services')] },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      rule('create delete get list watch', 'core', 'persistentvolumes'),
      rule('get list update watch', 'core', 'persistentvolumeclaims'),
      rule(read, 'storage.k8s.io', 'storageclasses'),
      rule('watch', 'core', 'events'),
      events,
    ],
  },
  { name: 'system:service-account-issuer-discovery', rules: [urls('/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/')] },
  { name: 'system:certificates.k8s.io:certificatesigningrequests:nodeclient', rules: [rule('create', 'certificates.k8s.io', 'certificatesigningrequests/nodeclient')] },
  { name: 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', rules: [rule('create', 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient')] },
  signer('legacy-unknown-approver', 'approve', 'kubernetes.io/legacy-unknown'),
  signer('kubelet-serving-approver', 'approve', 'kubernetes.io/kubelet-serving'),
  signer('kube-apiserver-client-approver', 'approve', 'kubernetes.io/kube-apiserver-client'),
  signer('kube-apiserver-client-kubelet-approver', 'approve', 'kubernetes.io/kube-apiserver-client-kubelet'),
  {
    name: 'system:volume-scheduler',
    rules: [rule(readUpdate, 'core', 'persistentvolumes'), rule(read, 'storage.k8s.io', 'storageclasses'), rule(readUpdate, 'core', 'persistentvolumeclaims')],
  },
  { name: 'system:kube-scheduler', rules: schedulerRules },
];
