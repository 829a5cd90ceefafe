import { PodCertificateRequests, ResourceSlices, VolumeAttachments } from '@orrery/api';
import type { PolicyRule } from '@orrery/api/types';
import type { AuthorizationAttributes, Decision, ObjectReader, UserInfo } from '../pipeline/index.ts';
import type { NodeIndex } from './node-index.ts';
import { ruleAllowsResource } from './policy-rule.ts';
import { type ResolvingAuthorizer, noRules, unknownRules } from './rule-resolver.ts';

const nodeUserPrefix = 'system:node:';
const nodesGroup = 'system:nodes';

/** The node a user is, undefined for users that are none, '' for one in the nodes' group without a node's name. */
export function nodeOf(user: UserInfo): string | undefined {
  if (!user.groups.includes(nodesGroup)) return undefined;
  return user.username.startsWith(nodeUserPrefix) ? user.username.slice(nodeUserPrefix.length) : '';
}

const allow: Decision = { decision: 'allow', reason: '' };
const no = (reason: string): Decision => ({ decision: 'noOpinion', reason });

const reads = ['get', 'list', 'watch'];

/** The terms of a field selector that are equalities. */
function requiredFields(selector: string | undefined): Map<string, string> {
  const fields = new Map<string, string>();
  for (const term of selector?.split(',') ?? []) {
    const match = /^([^=!]+)={1,2}([^=]*)$/.exec(term);
    if (match) fields.set(match[1] ?? '', match[2] ?? '');
  }
  return fields;
}

interface NodeRequest extends AuthorizationAttributes {
  readonly node: string;
}

/** What every node may do, whatever runs on it. */
export function nodeRules(staticRules: readonly PolicyRule[], request: NodeRequest): Decision {
  return staticRules.some((rule) => ruleAllowsResource(rule, request.info)) ? allow : no('');
}

function namespacedRead(index: NodeIndex, request: NodeRequest): Decision {
  const { info, node } = request;
  if (!reads.includes(info.verb)) return no('can only read resources of this type');
  if (info.subresource) return no('cannot read subresource');
  if (!info.namespace) return no('can only read namespaced object of this type');
  if (!info.name) return no('No Object name found');
  const what = info.resource as 'secrets' | 'configmaps';
  return index.refers(node, what, info) ? allow : no(`no relationship found between node '${node}' and this object`);
}

function singleGet(related: boolean, request: NodeRequest): Decision {
  if (request.info.verb !== 'get') return no('can only get individual resources of this type');
  if (request.info.subresource) return no('cannot get subresource');
  if (!request.info.name) return no('No Object name found');
  return related ? allow : no(`no relationship found between node '${request.node}' and this object`);
}

function claims(index: NodeIndex, request: NodeRequest): Decision {
  const { info, node } = request;
  if (info.subresource !== 'status') return singleGet(!info.subresource && index.refers(node, 'persistentvolumeclaims', info), request);
  if (!['get', 'update', 'patch'].includes(info.verb)) return no('can only get/update/patch this type');
  return index.refers(node, 'persistentvolumeclaims', info) ? allow : no(`no relationship found between node '${node}' and this object`);
}

function serviceAccounts(index: NodeIndex, request: NodeRequest): Decision {
  const { info, node } = request;
  if (info.subresource === 'token') {
    if (info.verb !== 'create' || !info.name) return no('can only create tokens for individual service accounts');
  } else if (info.subresource || info.verb !== 'get' || !info.name) return no('can only get individual service accounts');
  return index.refers(node, 'serviceaccounts', info) ? allow : no(`no relationship found between node '${node}' and this object`);
}

function leases({ info, node }: NodeRequest): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(info.verb)) return no('can only get, create, update, patch, or delete a node lease');
  if (info.namespace !== 'kube-node-lease') return no('can only access leases in the "kube-node-lease" system namespace');
  if (info.verb !== 'create' && info.name !== node) return no('can only access node lease with the same name as the requesting node');
  return allow;
}

function csiNodes({ info, node }: NodeRequest): Decision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(info.verb)) return no('can only get, create, update, patch, or delete a CSINode');
  if (info.subresource) return no('cannot authorize CSINode subresources');
  if (info.verb !== 'create' && info.name !== node) return no('can only access CSINode with the same name as the requesting node');
  return allow;
}

function nodes(request: NodeRequest): Decision {
  const { info, node } = request;
  // Upstream leaves names to the admission plug-in NodeRestriction, which may be off.
  if (info.subresource === 'status') return (info.verb === 'update' || info.verb === 'patch') && info.name === node ? allow : no('');
  if (info.subresource) {
    return info.verb === 'get' && info.name === node && ['configz', 'healthz', 'log', 'metrics', 'pods', 'stats'].includes(info.subresource) ? allow : no('');
  }
  switch (info.verb) {
    case 'create':
    case 'update':
    case 'patch':
      return allow;
    case 'get':
    case 'list':
    case 'watch':
      if (info.name === node || (!info.name && requiredFields(request.fieldSelector).get('metadata.name') === node)) return allow;
      return no(`node '${node}' cannot read ${info.name ? `'${info.name}'` : 'all nodes'}, only its own Node object`);
    default:
      return no('');
  }
}

function pods(index: NodeIndex, request: NodeRequest): Decision {
  const { info, node } = request;
  if (info.subresource === 'status') return ['update', 'patch'].includes(info.verb) ? allow : no('');
  if (info.subresource === 'eviction') return info.verb === 'create' ? allow : no('');
  if (info.subresource) return no('');
  switch (info.verb) {
    case 'create':
    case 'delete':
      return allow;
    case 'get':
      return singleGet(index.hasPod(node, info), request);
    case 'list':
    case 'watch':
      if (requiredFields(request.fieldSelector).get('spec.nodeName') === node) return allow;
      if (!info.name) return no('can only list/watch pods with spec.nodeName field selector');
      return index.hasPod(node, info) ? allow : no(`no relationship found between node '${node}' and this object`);
    default:
      return no('');
  }
}

const notRelated = (node: string): Decision => no(`no relationship found between node '${node}' and this object`);

function resourceSlices(read: ObjectReader, request: NodeRequest): Decision {
  const { info, node } = request;
  if (info.subresource) return no('cannot authorize ResourceSlice subresources');
  switch (info.verb) {
    // NodeRestriction sees what is created.
    case 'create':
      return allow;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      if (!info.name) return no('No Object name found');
      return read.get(ResourceSlices, { name: info.name })?.spec?.nodeName === node ? allow : notRelated(node);
    case 'list':
    case 'watch':
    case 'deletecollection':
      return requiredFields(request.fieldSelector).get('spec.nodeName') === node ? allow : no('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return no('only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection');
  }
}

function podCertificateRequests(read: ObjectReader, request: NodeRequest): Decision {
  const { info, node } = request;
  if (info.subresource) return no('nodes may not access the subresources of podcertificaterequests');
  switch (info.verb) {
    case 'create':
      return allow;
    case 'get':
      return read.get(PodCertificateRequests, { namespace: info.namespace, name: info.name })?.spec?.nodeName === node ? allow : notRelated(node);
    case 'list':
    case 'watch':
      return requiredFields(request.fieldSelector).get('spec.nodeName') === node ? allow : no('can only list/watch podcertificaterequests with nodeName field selector');
    default:
      return no('');
  }
}

/**
 * Lets a kubelet reach what its own pods need and nothing else. Static rules come from the role `system:node`, minus the
 * resources that are decided here one by one.
 */
export function nodeAuthorizer(options: { index: NodeIndex; read: ObjectReader; rules: readonly PolicyRule[] }): ResolvingAuthorizer {
  const { index, read } = options;
  const decided: Record<string, (request: NodeRequest) => Decision> = {
    '/secrets': (request) => namespacedRead(index, request),
    '/configmaps': (request) => namespacedRead(index, request),
    '/persistentvolumeclaims': (request) => claims(index, request),
    '/persistentvolumes': (request) => singleGet(index.usesVolume(request.node, request.info.name), request),
    '/serviceaccounts': (request) => serviceAccounts(index, request),
    '/nodes': nodes,
    '/pods': (request) => pods(index, request),
    'resource.k8s.io/resourceclaims': (request) => singleGet(index.refers(request.node, 'resourceclaims', request.info), request),
    'resource.k8s.io/resourceslices': (request) => resourceSlices(read, request),
    'certificates.k8s.io/podcertificaterequests': (request) => podCertificateRequests(read, request),
    'coordination.k8s.io/leases': leases,
    'storage.k8s.io/csinodes': csiNodes,
    'storage.k8s.io/volumeattachments': (request) => singleGet(read.get(VolumeAttachments, { name: request.info.name })?.spec?.nodeName === request.node, request),
  };
  return {
    name: 'Node',
    rulesFor: (user) => (nodeOf(user) === undefined ? noRules : unknownRules('node authorizer does not support user rule resolution')),
    authorize(attributes): Decision {
      const node = nodeOf(attributes.user);
      if (node === undefined || !attributes.info.isResource) return no('');
      if (!node) return no(`unknown node for user ${JSON.stringify(attributes.user.username)}`);
      const request: NodeRequest = { ...attributes, node };
      const decide = decided[`${attributes.info.group}/${attributes.info.resource}`];
      return decide ? decide(request) : nodeRules(options.rules, request);
    },
  };
}
