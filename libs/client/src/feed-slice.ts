import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { feedExcludes, feedSliceField, feedSubject, feedToken, wholeSlice } from '@orrery/bus';
import type { WatchOptions } from './api-client.ts';

/** What of the feed answers a watch. */
export interface FeedSlice {
  readonly scope: 'slice' | 'whole';
  /** To subscribe to. */
  readonly pattern: string;
  /** Where marks are sent to. */
  readonly marks: string;
  /** Slices of two names may share a subject. */
  holds(object: KubeObject): boolean;
}

/** The pods of one node, and nothing else. */
const oneNode = /^spec\.nodeName==?([^,=!\\]+)$/;

/**
 * The slice of the feed that carries exactly what a watch selects: a whole resource, one namespace, the pods of one node.
 * Undefined when there is none: other selectors need the state before a change, which the feed does not carry, and a watch
 * that begins with the current state needs the API server.
 */
export function feedSlice(resource: ResourceRef, options: WatchOptions): FeedSlice | undefined {
  const { namespace = '', labelSelector, fieldSelector, resourceVersion = '', sendInitialEvents } = options;
  if (labelSelector || sendInitialEvents || !/^[1-9]\d*$/.test(resourceVersion) || feedExcludes(resource)) return undefined;
  const root = feedSubject(resource);
  const sliceField = feedSliceField(resource);
  const one = (name: string, holds: FeedSlice['holds']): FeedSlice => {
    const subject = `${root}.${feedToken(name)}`;
    return { scope: 'slice', pattern: subject, marks: subject, holds };
  };
  if (fieldSelector) {
    const node = sliceField === 'spec.nodeName' && !namespace ? oneNode.exec(fieldSelector)?.[1] : undefined;
    return node === undefined ? undefined : one(node, (object) => (object as { spec?: { nodeName?: string } }).spec?.nodeName === node);
  }
  if (!namespace) return { scope: 'whole', pattern: `${root}.>`, marks: `${root}.${wholeSlice}`, holds: () => true };
  return sliceField || !resource.namespaced ? undefined : one(namespace, (object) => object.metadata?.namespace === namespace);
}
