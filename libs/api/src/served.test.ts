import { expect, it } from 'vitest';
import type { KindDescriptor } from './kind.ts';
import { allKinds } from './kinds.ts';
import { upstreamResources } from './testing/upstream-resources.ts';

const all = 'create,delete,deletecollection,get,list,patch,update';
const ofStatus = 'get,patch,update';

/** What passes requests on takes any method: which of them are verbs is up to authorization. */
const passedOn = new Set(['attach', 'exec', 'portforward', 'proxy']);

/**
 * What upstream serves and this server does not, with the reason. Nothing at present: a resource that goes missing, or a verb,
 * has to be written down here.
 */
const notServed: readonly string[] = [];

/** What this server serves and upstream does not. */
const onlyHere: readonly string[] = [];

function upstream(): string[] {
  return Object.entries(upstreamResources).flatMap(([version, list]) =>
    list.split(' ').map((entry) => {
      const [name = '', verbs] = entry.split('=');
      const shown = verbs === undefined ? all : verbs === 's' ? ofStatus : verbs;
      return `${version} ${name.replace('!', '')} ${name.endsWith('!') ? 'cluster' : 'namespaced'} ${shown}`;
    }));
}

function lines(kind: KindDescriptor): string[] {
  const version = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  const line = (name: string, verbs: readonly string[]): string => `${version} ${name} ${kind.namespaced ? 'namespaced' : 'cluster'} ${[...verbs].filter((verb) => verb !== 'watch').sort().join(',')}`;
  const statusVerbs = ofStatus.split(',');
  return [
    line(kind.resource, kind.verbs),
    ...(kind.hasStatus ? [line(`${kind.resource}/status`, statusVerbs)] : []),
    ...(kind.scale ? [line(`${kind.resource}/scale`, statusVerbs)] : []),
    ...kind.subresources.map(({ name, verbs }) => line(`${kind.resource}/${name}`, passedOn.has(name) ? ['connect'] : verbs)),
  ];
}

it('serves what upstream serves', () => {
  const here = allKinds.flatMap(lines);
  const there = upstream();
  expect(there.filter((entry) => !here.includes(entry))).toEqual(notServed);
  expect(here.filter((entry) => !there.includes(entry))).toEqual(onlyHere);
});

it('tells which versions are deprecated', () => {
  const told = (version: string, resource: string): string | undefined => allKinds.find((kind) => kind.version === version && kind.resource === resource)?.deprecation;
  expect(told('v1beta1', 'resourceclaims')).toBe('resource.k8s.io/v1beta1 ResourceClaim is deprecated in v1.35+, unavailable in v1.38+');
  expect(told('v1alpha2', 'leasecandidates')).toBe('coordination.k8s.io/v1alpha2 LeaseCandidate is deprecated in v1.35+, unavailable in v1.38+');
  expect([told('v1beta2', 'devicetaintrules'), told('v1', 'resourceclaims')]).toEqual([undefined, undefined]);
});

it('watches what it lists', () => {
  expect(allKinds.filter(({ verbs }) => verbs.includes('list') !== verbs.includes('watch')).map(({ resource }) => resource)).toEqual(['componentstatuses']);
});
