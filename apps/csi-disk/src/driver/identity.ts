import { IdentityDefinition, PluginCapability_Service_Type as Service, PluginCapability_VolumeExpansion_Type as Expansion } from '@orrery/proto/csi';
import { type ServedService, service } from '@orrery/rpc';
import { driverName, driverVersion } from '../names.ts';

/** `csi.v1.Identity` of both parts of the driver. */
export function identityService(): ServedService {
  return service(IdentityDefinition, {
    getPluginInfo: async () => ({ name: driverName, vendorVersion: driverVersion, manifest: {} }),
    getPluginCapabilities: async () => ({
      capabilities: [
        { type: { $case: 'service', value: { type: Service.CONTROLLER_SERVICE } } },
        { type: { $case: 'service', value: { type: Service.VOLUME_ACCESSIBILITY_CONSTRAINTS } } },
        { type: { $case: 'volumeExpansion', value: { type: Expansion.ONLINE } } },
      ],
    }),
    probe: async () => ({ ready: true }),
  });
}
