import type { KubeObject } from '@orrery/apimachinery';
import type { AdmissionAttributes, Operation } from '../pipeline/index.ts';

export interface Match {
  readonly group?: string;
  readonly resource: string;
  /** Default: the resource itself, no subresource. */
  readonly subresource?: string;
  readonly operations: readonly Operation[];
}

/** Is it one of these operations on this resource? */
export function matches({ kind, subresource, operation }: AdmissionAttributes, match: Match): boolean {
  return kind.resource === match.resource && kind.group === (match.group ?? '') && subresource === (match.subresource ?? '') && match.operations.includes(operation);
}

/** `handles` of a plug-in that wants one kind of write. */
export function wants(...list: readonly Match[]): (attributes: AdmissionAttributes) => boolean {
  // Asked of every plug-in about every write.
  return (attributes) => {
    for (const match of list) if (matches(attributes, match)) return true;
    return false;
  };
}

export const creates = (resource: string, group = ''): Match => ({ group, resource, operations: ['CREATE'] });
export const createsOrUpdates = (resource: string, group = ''): Match => ({ group, resource, operations: ['CREATE', 'UPDATE'] });

/** The subject of an error about the object at hand; what has no name yet goes by the name it is generated from. */
export function subjectOf({ kind, name, object }: AdmissionAttributes): { group: string; resource: string; name: string } {
  const { metadata } = (object ?? {}) as KubeObject;
  return { group: kind.group, resource: kind.resource, name: name || metadata?.name || metadata?.generateName || 'Unknown' };
}
