import { allKinds } from '@orrery/api';
import { describe, expect, it } from 'vitest';
import { itemKey, resourceLocator, resourcePrefix } from './keys.ts';

/** As kube-apiserver lays them out, so that either can take over the other's data. */
const keys: readonly (readonly [string, string, string])[] = [
  ['pods', '', '/registry/pods/ns/x'],
  ['services', '', '/registry/services/specs/ns/x'],
  ['endpoints', '', '/registry/services/endpoints/ns/x'],
  ['nodes', '', '/registry/minions/x'],
  ['replicationcontrollers', '', '/registry/controllers/ns/x'],
  ['namespaces', '', '/registry/namespaces/x'],
  ['persistentvolumes', '', '/registry/persistentvolumes/x'],
  ['persistentvolumeclaims', '', '/registry/persistentvolumeclaims/ns/x'],
  ['events', '', '/registry/events/ns/x'],
  ['secrets', '', '/registry/secrets/ns/x'],
  ['deployments', 'apps', '/registry/deployments/ns/x'],
  ['daemonsets', 'apps', '/registry/daemonsets/ns/x'],
  ['controllerrevisions', 'apps', '/registry/controllerrevisions/ns/x'],
  ['jobs', 'batch', '/registry/jobs/ns/x'],
  ['horizontalpodautoscalers', 'autoscaling', '/registry/horizontalpodautoscalers/ns/x'],
  ['ingresses', 'networking.k8s.io', '/registry/ingress/ns/x'],
  ['ingressclasses', 'networking.k8s.io', '/registry/ingressclasses/x'],
  ['networkpolicies', 'networking.k8s.io', '/registry/networkpolicies/ns/x'],
  ['poddisruptionbudgets', 'policy', '/registry/poddisruptionbudgets/ns/x'],
  ['endpointslices', 'discovery.k8s.io', '/registry/endpointslices/ns/x'],
  ['leases', 'coordination.k8s.io', '/registry/leases/ns/x'],
  ['storageclasses', 'storage.k8s.io', '/registry/storageclasses/x'],
  ['csinodes', 'storage.k8s.io', '/registry/csinodes/x'],
  ['clusterroles', 'rbac.authorization.k8s.io', '/registry/clusterroles/x'],
  ['priorityclasses', 'scheduling.k8s.io', '/registry/priorityclasses/x'],
  ['flowschemas', 'flowcontrol.apiserver.k8s.io', '/registry/flowschemas/x'],
  ['validatingwebhookconfigurations', 'admissionregistration.k8s.io', '/registry/validatingwebhookconfigurations/x'],
  ['certificatesigningrequests', 'certificates.k8s.io', '/registry/certificatesigningrequests/x'],
  ['customresourcedefinitions', 'apiextensions.k8s.io', '/registry/apiextensions.k8s.io/customresourcedefinitions/x'],
  ['apiservices', 'apiregistration.k8s.io', '/registry/apiregistration.k8s.io/apiservices/x'],
];

describe('keys in the store', () => {
  const locate = resourceLocator('/registry');

  it.each(keys)('%s.%s lie at %s', (resource, group, key) => {
    const kind = allKinds.find((one) => one.resource === resource && one.group === group && !one.storedAs);
    expect(kind).toBeDefined();
    if (kind) expect(resourcePrefix('/registry', kind) + itemKey(kind, 'ns', 'x')).toBe(key);
    expect(locate(key)).toEqual({ group, resource });
  });

  it('custom resources lie under their group; what holds no object is told apart', () => {
    expect(locate('/registry/stable.example.com/crontabs/ns/x')).toEqual({ group: 'stable.example.com', resource: 'crontabs' });
    for (const key of ['/registry/ranges/servicenodeports/30000', '/registry/masterleases/10.0.0.1', '/registry/']) expect(locate(key)).toBeUndefined();
  });
});
