import { SelectorError, parseFieldSelector, requiredFieldValue } from '@orrery/apimachinery';
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
  if ((verb !== 'list' && verb !== 'watch') || !fieldSelector.includes('metadata.name')) return '';
  try {
    const name = requiredFieldValue(parseFieldSelector(fieldSelector), 'metadata.name') ?? '';
    // What cannot stand in a path is no name.
    return name === '.' || name === '..' || /[/%]/.test(name) ? '' : name;
  } catch (error) {
    // The request fails on it later.
    if (error instanceof SelectorError) return '';
    throw error;
  }
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
