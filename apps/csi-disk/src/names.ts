import { cloudDiskProvisioner } from '@orrery/api/volumes';

/** The driver's name, as PersistentVolumes and classes name it. */
export const driverName = cloudDiskProvisioner;
/** Label of nodes and key of topologies: the zone whose disks a node can have. */
export const zoneKey = 'topology.disk.csi.orrery.dev/zone';
export const driverVersion = '0.1.0';
/** Where the driver and the kubelet of a node meet. */
export const sockets = { registration: '/var/lib/kubelet/plugins_registry/disk.sock', driver: '/var/lib/kubelet/plugins/disk/csi.sock' } as const;
