import { expect, it } from 'vitest';
import { checkFeatureGates } from './feature-gates.ts';

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
