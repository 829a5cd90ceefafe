import type { RequestInfo } from './request-info.ts';

/** What a request that did not come by URL is about. */
export interface ResourceTarget {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  /** Of a list or watch. */
  readonly fieldSelector?: string | undefined;
}

/** The name a list or watch is limited to by its field selector; upstream authorizes such requests by that name. */
export function selectedName(verb: string, fieldSelector: string): string {
  if (verb !== 'list' && verb !== 'watch') return '';
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(fieldSelector)?.[1] ?? '';
}

function pathOf(target: ResourceTarget, namespace: string): string {
  const root = target.group ? `/apis/${target.group}/${target.version}` : `/api/${target.version}`;
  let path = namespace ? `${root}/namespaces/${namespace}/${target.resource}` : `${root}/${target.resource}`;
  if (target.name) path += `/${target.name}`;
  return target.subresource ? `${path}/${target.subresource}` : path;
}

/** The request info that the same request over REST would have. */
export function resourceInfo(target: ResourceTarget, namespaced: boolean): RequestInfo {
  const { group, version, resource, verb, name = '', subresource = '' } = target;
  const namespace = namespaced ? (target.namespace ?? '') : '';
  // A namespace's own name counts as its namespace, as upstream has it.
  const effective = group === '' && resource === 'namespaces' ? name : namespace;
  return { isResource: true, path: pathOf(target, namespace), verb, group, version, resource, subresource, namespace: effective, name: name || selectedName(verb, target.fieldSelector ?? '') };
}
