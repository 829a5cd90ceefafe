import type {
  Device, DeviceRequest, ExactDeviceRequest, ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate, ResourceSlice, ResourceV1beta1Device as OldDevice, ResourceV1beta1DeviceRequest as OldRequest,
  ResourceV1beta1ResourceClaim as OldClaim, ResourceV1beta1ResourceClaimSpec as OldClaimSpec, ResourceV1beta1ResourceClaimTemplate as OldTemplate, ResourceV1beta1ResourceSlice as OldSlice,
} from '../../../gen/types.ts';

const v1 = 'resource.k8s.io/v1';
const v1beta1 = 'resource.k8s.io/v1beta1';

/** v1beta1 has the fields of an exact request beside its alternatives, without a level of their own. */
function requestToV1({ name, firstAvailable, ...exactly }: OldRequest): DeviceRequest {
  const isExact = Object.values(exactly).some((value) => value !== undefined && value !== '' && value !== 0);
  return {
    name,
    ...(isExact ? { exactly: exactly as ExactDeviceRequest } : {}),
    ...(firstAvailable === undefined ? {} : { firstAvailable }),
  };
}

function requestFromV1({ name, exactly, firstAvailable }: DeviceRequest): OldRequest {
  return { name, ...exactly, ...(firstAvailable === undefined ? {} : { firstAvailable }) };
}

function mapRequests<A, B, D extends { requests?: A[] }>(devices: D, map: (request: A) => B): Omit<D, 'requests'> & { requests?: B[] } {
  const { requests, ...rest } = devices;
  return { ...rest, ...(requests ? { requests: requests.map(map) } : {}) };
}

const specToV1 = ({ devices, ...rest }: OldClaimSpec): ResourceClaimSpec => ({ ...rest, ...(devices ? { devices: mapRequests(devices, requestToV1) } : {}) });
const specFromV1 = ({ devices, ...rest }: ResourceClaimSpec): OldClaimSpec => ({ ...rest, ...(devices ? { devices: mapRequests(devices, requestFromV1) } : {}) });

export function claimToV1({ spec, ...rest }: OldClaim): ResourceClaim {
  return { ...rest, apiVersion: v1, ...(spec ? { spec: specToV1(spec) } : {}) };
}

export function claimFromV1({ spec, ...rest }: ResourceClaim): OldClaim {
  return { ...rest, apiVersion: v1beta1, ...(spec ? { spec: specFromV1(spec) } : {}) };
}

export function templateToV1({ spec, ...rest }: OldTemplate): ResourceClaimTemplate {
  return { ...rest, apiVersion: v1, ...(spec ? { spec: { ...spec, spec: specToV1(spec.spec ?? {}) } } : {}) };
}

export function templateFromV1({ spec, ...rest }: ResourceClaimTemplate): OldTemplate {
  return { ...rest, apiVersion: v1beta1, ...(spec ? { spec: { ...spec, spec: specFromV1(spec.spec ?? {}) } } : {}) };
}

const deviceToV1 = ({ name, basic }: OldDevice): Device => ({ ...basic, name });
const deviceFromV1 = ({ name, ...basic }: Device): OldDevice => ({ name, basic });

function mapDevices<A, B, S extends { devices?: A[] }>(spec: S, map: (device: A) => B): Omit<S, 'devices'> & { devices?: B[] } {
  const { devices, ...rest } = spec;
  return { ...rest, ...(devices ? { devices: devices.map(map) } : {}) };
}

export function sliceToV1({ spec, ...rest }: OldSlice): ResourceSlice {
  return { ...rest, apiVersion: v1, ...(spec ? { spec: mapDevices(spec, deviceToV1) } : {}) };
}

export function sliceFromV1({ spec, ...rest }: ResourceSlice): OldSlice {
  return { ...rest, apiVersion: v1beta1, ...(spec ? { spec: mapDevices(spec, deviceFromV1) } : {}) };
}
