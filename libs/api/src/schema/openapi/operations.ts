import { definitionFor } from '../lookup.ts';
import { type GroupVersionKind, meta, type OpenApiKind, type Operation } from './model.ts';

const all = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const customTypes = ['application/json', 'application/yaml'];
const patches = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json'];
const listQuery = ['allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion', 'resourceVersionMatch', 'sendInitialEvents', 'timeoutSeconds', 'watch'];
const writeQuery = ['dryRun', 'fieldManager', 'fieldValidation'];
const deleteQuery = ['dryRun', 'gracePeriodSeconds', 'ignoreStoreReadErrorWithClusterBreakingPotential', 'orphanDependents', 'propagationPolicy'];

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `RbacAuthorization`, as operation ids carry a group. */
export function groupName(group: string): string {
  const short = group.replace(/\.k8s\.io$/, '') || 'core';
  return short.split(/[.-]/).map(capitalized).join('');
}

/** `RbacAuthorizationV1`, as operation ids carry group and version. */
export const versionName = (group: string, version: string): string => `${groupName(group)}${capitalized(version)}`;

/** `rbacAuthorization`, as tags carry a group. */
export const groupTag = (group: string): string => group.replace(/\.k8s\.io$/, '').replace(/[.-](\w)/g, (_dot, letter: string) => letter.toUpperCase()) || 'core';

export function groupPath(group: string, version: string): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

interface Scope {
  readonly kind: OpenApiKind;
  readonly path: string;
  /** `Namespaced` or nothing, for operation ids. */
  readonly scope: string;
}

type Draft = Pick<Operation, 'method' | 'action' | 'answer' | 'query'> & Partial<Operation> & { readonly verb: string; readonly name?: string };

function operation({ kind, path, scope }: Scope, draft: Draft): Operation {
  const target: GroupVersionKind = draft.target ?? { group: kind.group, version: kind.version, kind: kind.kind };
  const produces = kind.customSchema ? customTypes : all;
  const { verb, name = kind.kind, ...rest } = draft;
  return {
    path,
    operationId: `${verb.replace('Collection', '')}${versionName(kind.group, kind.version)}${verb.endsWith('Collection') ? 'Collection' : ''}${scope}${name}`,
    description: `${verb} ${kind.kind}`,
    target,
    tag: `${groupTag(kind.group)}_${kind.version}`,
    consumes: ['*/*'],
    produces,
    isBodyRequired: true,
    codes: [200, 401],
    ...rest,
  };
}

function patchTypes(kind: OpenApiKind): string[] {
  return kind.customSchema ? patches.filter((type) => !type.includes('strategic')) : patches;
}

const listName = (kind: OpenApiKind): string => `${kind.definition.slice(0, kind.definition.lastIndexOf('.'))}.${kind.listKind}`;

function collectionOperations(at: Scope): Operation[] {
  const { kind } = at;
  const out: Operation[] = [];
  const has = (verb: string): boolean => kind.verbs.includes(verb);
  if (has('list')) {
    const produces = kind.customSchema ? customTypes : [...all, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
    out.push(operation(at, { verb: 'list', method: 'get', action: 'list', answer: listName(kind), query: listQuery, produces }));
  }
  if (has('create')) {
    out.push(operation(at, { verb: 'create', method: 'post', action: 'post', answer: kind.definition, body: kind.definition, query: writeQuery, codes: [200, 201, 202, 401] }));
  }
  if (has('deletecollection')) {
    const query = [...deleteQuery, ...listQuery.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks')];
    out.push(operation(at, { verb: 'deleteCollection', method: 'delete', action: 'deletecollection', answer: `${meta}Status`, body: `${meta}DeleteOptions`, isBodyRequired: false, query }));
  }
  return out;
}

function itemOperations(at: Scope): Operation[] {
  const { kind } = at;
  const { definition } = kind;
  const has = (verb: string): boolean => kind.verbs.includes(verb);
  const out: Operation[] = [];
  if (has('get')) out.push(operation(at, { verb: 'read', method: 'get', action: 'get', answer: definition, query: [] }));
  if (has('update')) out.push(operation(at, { verb: 'replace', method: 'put', action: 'put', answer: definition, body: definition, query: writeQuery, codes: [200, 201, 401] }));
  if (has('patch')) out.push(patchOperation(at, { answer: definition }));
  if (has('delete')) {
    out.push(operation(at, { verb: 'delete', method: 'delete', action: 'delete', answer: `${meta}Status`, body: `${meta}DeleteOptions`, isBodyRequired: false, query: deleteQuery, codes: [200, 202, 401] }));
  }
  return out;
}

function patchOperation(at: Scope, options: { answer: string; name?: string; target?: GroupVersionKind }): Operation {
  const query = [...writeQuery, 'force'];
  return operation(at, { verb: 'patch', method: 'patch', action: 'patch', body: `${meta}Patch`, consumes: patchTypes(at.kind), query, codes: [200, 201, 401], ...options });
}

/** Definition of what a subresource speaks; the whole object for `status`. */
function subresourceKind(kind: OpenApiKind, sub: OpenApiKind['subresources'][number]): { target: GroupVersionKind; definition: string } {
  const target = { group: sub.group ?? kind.group, version: sub.version ?? kind.version, kind: sub.kind };
  const apiVersion = target.group === '' ? target.version : `${target.group}/${target.version}`;
  const own = target.kind === kind.kind && target.group === kind.group;
  return { target, definition: own ? kind.definition : (definitionFor(apiVersion, target.kind) ?? '') };
}

const proxyMethods = ['delete', 'get', 'head', 'options', 'patch', 'post', 'put'] as const;
const streamMethods = ['get', 'post'] as const;

/** What passes a request on to a node or a pod: its methods and what it is told in the query. */
const passedOn: Readonly<Record<string, { readonly methods: readonly Operation['method'][]; readonly query: readonly string[] }>> = {
  attach: { methods: streamMethods, query: ['container', 'stderr', 'stdin', 'stdout', 'tty'] },
  exec: { methods: streamMethods, query: ['command', 'container', 'stderr', 'stdin', 'stdout', 'tty'] },
  portforward: { methods: streamMethods, query: ['ports'] },
  proxy: { methods: proxyMethods, query: ['path'] },
};

function connectOperations(at: Scope, sub: OpenApiKind['subresources'][number]): Operation[] {
  const { methods, query } = passedOn[sub.name] ?? { methods: [], query: [] };
  const { target } = subresourceKind(at.kind, sub);
  const name = `${at.kind.kind}${capitalized(sub.name)}`;
  const places = sub.name === 'proxy' ? [[`${at.path}/proxy`, name], [`${at.path}/proxy/{path}`, `${name}WithPath`]] as const : [[`${at.path}/${sub.name}`, name]] as const;
  return places.flatMap(([path, shown]) =>
    methods.map((method) => ({
      ...operation({ ...at, path }, { verb: 'connect', name: shown, method, action: 'connect', answer: '', query, target, produces: ['*/*'], description: `connect ${method.toUpperCase()} requests to ${sub.name} of ${at.kind.kind}` }),
      operationId: `connect${versionName(at.kind.group, at.kind.version)}${capitalized(method)}${at.scope}${shown}`,
    })));
}

function subresourceOperations(at: Scope, sub: OpenApiKind['subresources'][number]): Operation[] {
  if (passedOn[sub.name] && !at.kind.customSchema) return connectOperations(at, sub);
  const { target, definition } = subresourceKind(at.kind, sub);
  const name = `${at.kind.kind}${sub.name.split(/[-/]/).map(capitalized).join('')}`;
  const inner: Scope = { ...at, path: `${at.path}/${sub.name}` };
  const common = { name, target, answer: definition };
  const out: Operation[] = [];
  if (sub.verbs.includes('get')) out.push(operation(inner, { ...common, verb: 'read', method: 'get', action: 'get', query: [] }));
  if (sub.verbs.includes('create')) out.push(operation(inner, { ...common, verb: 'create', method: 'post', action: 'post', body: definition, query: writeQuery, codes: [200, 201, 202, 401] }));
  if (sub.verbs.includes('update')) out.push(operation(inner, { ...common, verb: 'replace', method: 'put', action: 'put', body: definition, query: writeQuery, codes: [200, 201, 401] }));
  if (sub.verbs.includes('patch')) out.push(patchOperation(inner, common));
  return out;
}

function allSubresources(kind: OpenApiKind): OpenApiKind['subresources'] {
  const verbs = ['get', 'patch', 'update'];
  const known = new Set(kind.subresources.map((sub) => sub.name));
  const extra = [
    ...(kind.hasStatus ? [{ name: 'status', kind: kind.kind, verbs }] : []),
    ...(kind.scale ? [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs }] : []),
  ];
  return [...extra.filter((sub) => !known.has(sub.name)), ...kind.subresources];
}

/** The paths below `/watch/`, from before watching was a parameter of lists: built-in kinds still have them. */
function watchOperations(kind: OpenApiKind): Operation[] {
  if (!kind.verbs.includes('watch') || kind.customSchema) return [];
  const base = `${groupPath(kind.group, kind.version)}/watch`;
  const inside = kind.namespaced ? '/namespaces/{namespace}' : '';
  const scope = kind.namespaced ? 'Namespaced' : '';
  const produces = [...all, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
  const watch = (path: string, action: string): Operation =>
    operation({ kind, path, scope: action === 'everywhere' ? '' : scope }, { verb: 'watch', method: 'get', action: action === 'watch' ? action : 'watchlist', answer: `${meta}WatchEvent`, query: [], produces, description: `watch ${kind.kind}; use the watch parameter of a list instead` });
  const everywhere = watch(`${base}/${kind.resource}`, 'everywhere');
  const list = watch(`${base}${inside}/${kind.resource}`, 'watchlist');
  return [
    ...(kind.namespaced ? [{ ...everywhere, operationId: `${everywhere.operationId}ListForAllNamespaces` }] : []),
    { ...list, operationId: `${list.operationId}List` },
    ...(kind.verbs.includes('get') ? [watch(`${base}${inside}/${kind.resource}/{name}`, 'watch')] : []),
  ];
}

/** Every operation of a resource, collection first. */
export function operationsOf(kind: OpenApiKind): Operation[] {
  const base = groupPath(kind.group, kind.version);
  const scope = kind.namespaced ? 'Namespaced' : '';
  const path = `${base}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.resource}`;
  const everywhere = collectionOperations({ kind, path: `${base}/${kind.resource}`, scope: '' })
    .filter((op) => op.action === 'list')
    .map((op) => ({ ...op, operationId: `${op.operationId}ForAllNamespaces` }));
  const item: Scope = { kind, path: `${path}/{name}`, scope };
  return [
    ...(kind.namespaced ? everywhere : []),
    ...collectionOperations({ kind, path, scope }),
    ...itemOperations(item),
    ...allSubresources(kind).flatMap((sub) => subresourceOperations(item, sub)),
    ...watchOperations(kind),
  ];
}
