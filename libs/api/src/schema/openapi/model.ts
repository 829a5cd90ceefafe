/** Any JSON object of an OpenAPI document. */
export type JsonObject = { [key: string]: unknown };

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/**
 * A resource as far as OpenAPI needs it; a `KindDescriptor` fits. Custom resources bring their own schema, as their
 * CustomResourceDefinition holds it.
 */
export interface OpenApiKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly resource: string;
  readonly namespaced: boolean;
  /** Name of the definition; of a custom resource the reversed group, the version and the kind. */
  readonly definition: string;
  readonly verbs: readonly string[];
  readonly hasStatus: boolean;
  readonly scale?: unknown;
  readonly subresources: readonly { readonly name: string; readonly kind: string; readonly group?: string; readonly version?: string; readonly verbs: readonly string[] }[];
  /** `openAPIV3Schema` of a custom resource. */
  readonly customSchema?: JsonObject;
  /** Fields besides name and namespace that field selectors may name; told of custom resources. */
  readonly selectableFields?: readonly string[];
}

/** What fields and definitions are for, by `definition` or `definition.field`. */
export type Descriptions = Readonly<Record<string, string>>;

export type Flavor = 'v2' | 'v3';

export const refPrefix: Readonly<Record<Flavor, string>> = { v2: '#/definitions/', v3: '#/components/schemas/' };

export interface Operation {
  readonly path: string;
  readonly method: 'get' | 'put' | 'post' | 'patch' | 'delete' | 'head' | 'options';
  /** x-kubernetes-action; empty where there is no resource. */
  readonly action: string;
  readonly operationId: string;
  readonly description: string;
  readonly target: GroupVersionKind | undefined;
  readonly tag: string;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  readonly query: readonly string[];
  /** Definition of the body; `Patch` for patches. */
  readonly body?: string;
  readonly isBodyRequired: boolean;
  /** Definition of the answer; empty for a string. */
  readonly answer: string;
  readonly codes: readonly number[];
}

export const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

/** `io.example.stable.v1.CronTab` for group `stable.example.io`. */
export function customDefinitionName(gvk: GroupVersionKind): string {
  return `${gvk.group.split('.').reverse().join('.')}.${gvk.version}.${gvk.kind}`;
}
