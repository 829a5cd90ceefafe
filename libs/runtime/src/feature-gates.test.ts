import { expect, it } from 'vitest';
import { checkFeatureGates, featureMetric, isGateOn } from './feature-gates.ts';
import { featureStages } from './feature-stages.ts';
import { createMetrics } from './metrics.ts';

it('takes what kube-apiserver takes', () => {
  expect(() => checkFeatureGates(['AllAlpha=true', 'DRADeviceTaints=true', 'WatchList=F', 'SidecarContainers=true'])).not.toThrow();
});

it.each([
  [['NoSuchGate=true'], 'invalid argument "NoSuchGate=true" for "--feature-gates" flag: unrecognized feature gate: NoSuchGate'],
  [['WatchList=true', 'Nope=false'], 'invalid argument "WatchList=true,Nope=false" for "--feature-gates" flag: unrecognized feature gate: Nope'],
  [['WatchList'], 'invalid argument "WatchList" for "--feature-gates" flag: missing bool value for WatchList'],
  [['WatchList=yes'], 'invalid argument "WatchList=yes" for "--feature-gates" flag: invalid value of WatchList=yes, err: strconv.ParseBool: parsing "yes": invalid syntax'],
  [['SidecarContainers=false'], 'invalid argument "SidecarContainers=false" for "--feature-gates" flag: cannot set feature gate SidecarContainers to false, feature is locked to true'],
])('refuses %j', (gates, message) => expect(() => checkFeatureGates(gates)).toThrow(message));

it('knows no stage of a gate that there is not', () => {
  for (const name of featureStages.keys()) expect(() => checkFeatureGates([`${name}=true`])).not.toThrow();
});

it.each([
  [[], ['HPAScaleToZero",stage="ALPHA"} 0', 'EnvFiles",stage="BETA"} 1', 'ClusterTrustBundle",stage="BETA"} 0', 'SidecarContainers",stage=""} 1', 'ImageVolume",stage=""} 1', 'DRAExtendedResource",stage="BETA"} 1', 'MaxUnavailableStatefulSet",stage="BETA"} 0']],
  [['HPAScaleToZero=true', 'EnvFiles=false'], ['HPAScaleToZero",stage="ALPHA"} 1', 'EnvFiles",stage="BETA"} 0']],
  [['AllAlpha=true', 'MemoryQoS=false', 'AllBeta=false', 'EnvFiles=perhaps'], ['HPAScaleToZero",stage="ALPHA"} 1', 'MemoryQoS",stage="ALPHA"} 0', 'EnvFiles",stage="BETA"} 0', 'KMSv1",stage="DEPRECATED"} 0']],
])('with %j tells what is on', (gates, lines) => {
  const metrics = createMetrics();
  featureMetric(metrics, gates);
  for (const line of lines) expect(metrics.expose()).toContain(`kubernetes_feature_enabled{name="${line}`);
});

it.each([
  ['MaxUnavailableStatefulSet', [], false],
  ['MaxUnavailableStatefulSet', ['MaxUnavailableStatefulSet=true'], true],
  ['MaxUnavailableStatefulSet', ['AllBeta=true'], true],
  ['MaxUnavailableStatefulSet', ['AllBeta=true', 'MaxUnavailableStatefulSet=false'], false],
  ['HPAScaleToZero', ['AllBeta=true'], false],
  ['WatchList', ['AllBeta=false'], false],
  ['SidecarContainers', ['AllBeta=false'], true],
  ['NoSuchGate', [], false],
])('%s with %j is %j', (name, gates, expected) => expect(isGateOn(gates, name)).toBe(expected));
