import type { KubeObject } from '@orrery/apimachinery';
import type { Registry, RequestScope, WriteOptions } from '../registry.ts';

export interface SubresourceInput {
  /** The caller's to give away. */
  readonly object: KubeObject;
  readonly options: WriteOptions;
}

/** Answers POST to a subresource; what it returns is the 201 body. */
export type SubresourceHandler = (registry: Registry, scope: RequestScope, input: SubresourceInput) => Promise<object>;

/** The Status that actions without an object answer with. */
export function success(): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}
