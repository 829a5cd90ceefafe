import { allKinds } from '@orrery/api';
import { describe, expect, it } from 'vitest';
import { enabledKinds, storedKinds } from './api-enablement.ts';

const served = (...settings: string[]): string[] => enabledKinds(allKinds, settings).map(({ group, version, resource }) => `${group}/${version}/${resource}`);

describe('--runtime-config', () => {
  it('leaves beta and alpha off', () => {
    expect(served().filter((name) => /beta|alpha/.test(name))).toEqual([]);
    expect(served()).toContain('/v1/pods');
  });

  it.each([
    [['api/all=true'], 'scheduling.k8s.io/v1alpha2/podgroups', true],
    [['api/all'], 'networking.k8s.io/v1beta1/ipaddresses', true],
    [['api/beta=true'], 'resource.k8s.io/v1beta1/resourceclaims', true],
    [['api/beta=true'], 'resource.k8s.io/v1alpha3/devicetaintrules', false],
    [['api/alpha=true'], 'resource.k8s.io/v1alpha3/devicetaintrules', true],
    [['resource.k8s.io/v1beta2=true'], 'resource.k8s.io/v1beta2/resourceslices', true],
    [['resource.k8s.io/v1beta2=true'], 'resource.k8s.io/v1beta1/resourceslices', false],
    [['resource.k8s.io/v1beta2/devicetaintrules=true'], 'resource.k8s.io/v1beta2/devicetaintrules', true],
    [['resource.k8s.io/v1beta2/devicetaintrules=true'], 'resource.k8s.io/v1beta2/resourceslices', false],
    [['api/all=true', 'autoscaling/v1=false'], 'autoscaling/v1/horizontalpodautoscalers', false],
    [['api/beta=true', 'storage.k8s.io/v1beta1=0'], 'storage.k8s.io/v1beta1/volumeattributesclasses', false],
    [['batch/v1/cronjobs=false'], 'batch/v1/cronjobs', false],
    [['batch/v1/cronjobs=false'], 'batch/v1/jobs', true],
    [['api/all=false', 'v1=true'], '/v1/pods', true],
    [['api/all=false', 'api/v1=true'], 'apps/v1/deployments', false],
  ])('%j: %s %s', (settings, name, isServed) => {
    expect(served(...settings).includes(name)).toBe(isServed);
  });

  it.each([
    ['api/all=maybe', 'invalid value of api/all: maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
    ['nothing', 'invalid key nothing'],
    ['example.com/v1=true', 'unknown api groups example.com'],
    ['apps/v2=true', 'group version apps/v2 that has not been registered'],
    ['api/all=false', 'invalid key with only api/all=false'],
  ])('refuses %s', (setting, message) => {
    expect(() => served(setting)).toThrow(message);
  });

  it('keeps the objects of a version that is on at the one they are stored at', () => {
    const stored = storedKinds(allKinds, enabledKinds(allKinds, ['coordination.k8s.io/v1alpha2=true']));
    expect(stored.filter(({ resource }) => resource === 'leasecandidates').map(({ version }) => version)).toEqual(['v1beta1']);
    expect(storedKinds(allKinds, enabledKinds(allKinds, [])).map(({ resource }) => resource)).not.toContain('leasecandidates');
  });
});
