import type { ResourceRef } from '@orrery/apimachinery';
import type { HttpClient } from '@orrery/client';

interface Discovered {
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions: readonly { readonly version: string; readonly resources?: readonly { readonly resource: string; readonly responseKind?: { readonly kind: string }; readonly scope: string; readonly verbs: readonly string[] }[] }[];
  }[];
}

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Every resource that can be watched, in the preferred version of its group. */
export async function watchableResources(http: HttpClient): Promise<ResourceRef[]> {
  const ask = async (path: string): Promise<Discovered> => {
    const response = await http.request({ method: 'GET', path, headers: { accept: aggregated } });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${text.slice(0, 200)}`);
    return JSON.parse(text) as Discovered;
  };
  const found: ResourceRef[] = [];
  for (const { items = [] } of [await ask('/api'), await ask('/apis')]) {
    for (const { metadata, versions } of items) {
      const seen = new Set<string>();
      for (const { version, resources = [] } of versions) {
        for (const { resource, responseKind, scope, verbs } of resources) {
          if (seen.has(resource) || !verbs.includes('watch') || !verbs.includes('create')) continue;
          seen.add(resource);
          found.push({ group: metadata?.name ?? '', version, resource, kind: responseKind?.kind ?? '', namespaced: scope === 'Namespaced' });
        }
      }
    }
  }
  return found;
}
