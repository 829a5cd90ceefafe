import type { ResourceRef } from '@orrery/apimachinery';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

function queryString(query: Query): string {
  const parts = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== '' && value !== false)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return parts.length ? `?${parts.join('&')}` : '';
}

/** `/apis/apps/v1/namespaces/a/deployments/web/status?…` */
export function restPath(resource: ResourceRef, at: { namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined }, query: Query = {}): string {
  const root = resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`;
  const namespace = resource.namespaced && at.namespace ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name ? `/${encodeURIComponent(at.name)}` : '';
  const subresource = at.subresource ? `/${at.subresource}` : '';
  return `${root}${namespace}/${resource.resource}${name}${subresource}${queryString(query)}`;
}
