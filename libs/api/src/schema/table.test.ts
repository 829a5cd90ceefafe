import { describe, expect, it } from 'vitest';
import { allDefinitions, definitionFor, definitionOfKind, fieldsOf, schemaOf } from './index.ts';

describe('the schema table', () => {
  it('resolves every field of every definition', () => {
    let count = 0;
    for (const definition of allDefinitions()) {
      for (const field of definition.schema.fields.values()) {
        expect(field.schema.type).toBeTruthy();
        count++;
      }
    }
    expect(count).toBeGreaterThan(3000);
  });

  it('finds kinds by group, version and kind', () => {
    expect(definitionFor('apps/v1', 'Deployment')).toBe('io.k8s.api.apps.v1.Deployment');
    expect(definitionFor('v1', 'Pod')).toBe('io.k8s.api.core.v1.Pod');
    expect(definitionFor('policy/v1', 'DeleteOptions')).toBe('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
    expect(definitionOfKind('v1', 'Nonsense')).toBeUndefined();
  });

  it('knows list types, merge keys, embedded structs and presence', () => {
    const containers = fieldsOf('io.k8s.api.core.v1.PodSpec').get('containers');
    expect(containers?.schema).toMatchObject({ type: 'list', listType: 'map', listKeys: ['name'] });
    expect(containers).toMatchObject({ patchStrategy: ['merge'], patchMergeKey: 'name', required: true, wirePath: [2] });
    expect(fieldsOf('io.k8s.api.core.v1.Probe').get('httpGet')?.wirePath).toEqual([1, 2]);
    expect(fieldsOf('io.k8s.api.apps.v1.DeploymentSpec').get('replicas')?.omitZero).toBe(false);
    expect(fieldsOf('io.k8s.api.apps.v1.DeploymentSpec').get('minReadySeconds')?.omitZero).toBe(true);
    expect(fieldsOf('io.k8s.api.core.v1.PersistentVolumeSpec').get('claimRef')?.schema).toMatchObject({ atomic: false });
    expect(schemaOf('io.k8s.api.core.v1.ObjectReference').atomic).toBe(true);
    expect(fieldsOf('io.k8s.api.core.v1.ContainerPort').get('protocol')?.keyDefault).toBe('TCP');
  });
});
