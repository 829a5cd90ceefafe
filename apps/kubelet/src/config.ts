import type { ConfigOf, ConfigSchema } from '@orrery/runtime';
import { defaultEvictionHard } from './configuration/defaults.ts';

/** Settings of one kubelet; see `mainSchema` for those of the program around it. */
export const kubeletSchema = {
  nodeName: { type: 'string', default: '', help: 'name of the node; empty: the host name' },
  nodeIps: { type: 'list', default: [], help: 'addresses of the node, the primary one first' },
  hostname: { type: 'string', default: '', help: 'host name of the node; empty: the node name' },
  cpu: { type: 'string', default: '8', help: 'CPU capacity of the node' },
  memory: { type: 'string', default: '32Gi', help: 'memory capacity of the node' },
  ephemeralStorage: { type: 'string', default: '100Gi', help: 'local storage capacity of the node' },
  maxPods: { type: 'number', default: 110, help: 'how many pods the node takes' },
  extendedResources: { type: 'list', default: [], help: 'further capacity, name=quantity each' },
  systemReserved: { type: 'list', default: [], help: 'what is not allocatable, name=quantity each' },
  nodeLabels: { type: 'list', default: [], help: 'labels the node registers with, key=value each' },
  registerWithTaints: { type: 'list', default: [], help: 'taints the node registers with, key=value:effect each' },
  registerNode: { type: 'boolean', default: true, help: 'create the Node object' },
  providerId: { type: 'string', default: '', help: 'the cloud provider\'s name of the machine' },
  cloudProvider: { type: 'string', default: '', choices: ['', 'external'], help: 'external: addresses and initialization come from a cloud-controller-manager' },
  os: { type: 'string', default: 'linux', help: 'operating system as the node reports it' },
  arch: { type: 'string', default: 'amd64', help: 'architecture as the node reports it' },
  podCidr: { type: 'string', default: '', help: 'pod addresses of the node; empty: from the Node\'s spec' },
  clusterDns: { type: 'list', default: ['10.96.0.10'], help: 'name servers of pods' },
  clusterDomain: { type: 'string', default: 'cluster.local', help: 'DNS domain of the cluster' },
  nodeNameservers: { type: 'list', default: [], help: 'name servers of the node, for pods with dnsPolicy Default' },
  rootDir: { type: 'string', default: '/var/lib/kubelet', help: 'where volumes and pod files go' },
  podLogsDir: { type: 'string', default: '/var/log/pods', help: 'where the runtime writes container logs' },
  kubeletEndpoint: { type: 'string', default: '', help: 'host:port where the API server reaches this kubelet when the node\'s address does not do (annotation orrery.dev/kubelet-endpoint)' },
  port: { type: 'number', default: 10250, help: 'port the node reports for its kubelet' },
  statusUpdateSeconds: { type: 'number', default: 10, help: 'how often the node status is computed' },
  statusReportSeconds: { type: 'number', default: 300, help: 'how often it is sent although nothing changed' },
  leaseDurationSeconds: { type: 'number', default: 40, help: 'duration of the node lease; renewed every quarter of it' },
  relistSeconds: { type: 'number', default: 1, help: 'how often a runtime without GetContainerEvents is asked for its state' },
  imagePullProgressDeadlineSeconds: { type: 'number', default: 600, help: 'how long an image pull may take' },
  eventRecords: { type: 'string', default: 'all', choices: ['all', 'warnings', 'none'], help: 'which Events are written' },
  statusDelayMs: { type: 'number', default: 500, help: 'how long a pod may take to start before its ContainerCreating status is sent; saves a write for those that are faster' },
  allowedUnsafeSysctls: { type: 'list', default: [], help: 'sysctls that pods may set besides the safe ones; a trailing * stands for all of a kind' },
  kubeReserved: { type: 'list', default: [], help: 'what is not allocatable because Kubernetes itself needs it, name=quantity each' },
  enforceNodeAllocatable: { type: 'list', default: ['pods'], help: 'pods: the memory eviction threshold holds for the pods\' share of the node too; none: only for the node' },
  evictionHard: { type: 'list', default: Object.entries(defaultEvictionHard).map(([signal, limit]) => `${signal}<${limit}`), help: 'pods are evicted at once when less is left, signal<limit each' },
  evictionSoft: { type: 'list', default: [], help: 'pods are evicted when less is left for the grace period, signal<limit each' },
  evictionSoftGracePeriod: { type: 'list', default: [], help: 'grace periods of soft thresholds, signal=duration each' },
  evictionMinimumReclaim: { type: 'list', default: [], help: 'what must be free beyond a threshold before it counts as resolved, signal=limit each' },
  evictionPressureTransitionPeriod: { type: 'string', default: '5m0s', help: 'how long a pressure condition outlives the pressure' },
  evictionMaxPodGracePeriod: { type: 'number', default: 0, help: 'seconds that pods evicted by a soft threshold get to end' },
  localStorageCapacityIsolation: { type: 'boolean', default: true, help: 'evict pods that use more local storage than their limits' },
  podManifestPath: { type: 'string', default: '', help: 'directory (or file) with manifests of static pods' },
  fileCheckFrequency: { type: 'string', default: '20s', help: 'how often --pod-manifest-path is looked at' },
  manifestUrl: { type: 'string', default: '', help: 'URL of manifests of static pods' },
  manifestUrlHeader: { type: 'list', default: [], help: 'headers of requests to --manifest-url, name:value each' },
  httpCheckFrequency: { type: 'string', default: '20s', help: 'how often --manifest-url is asked' },
  shutdownGracePeriod: { type: 'string', default: '0s', help: 'how long pods get to end when the node shuts down; 0: they are not ended by the kubelet' },
  shutdownGracePeriodCriticalPods: { type: 'string', default: '0s', help: 'how much of --shutdown-grace-period is for critical pods, which end last' },
  shutdownGracePeriodByPodPriority: { type: 'list', default: [], help: 'priority=seconds each, in place of the two above' },
  imageGcHighThreshold: { type: 'number', default: 85, help: 'percent of the disk in use above which images are removed' },
  imageGcLowThreshold: { type: 'number', default: 80, help: 'percent of the disk in use down to which images are removed' },
  minimumImageTtlDuration: { type: 'string', default: '2m0s', help: 'how long an image is kept although it is not used' },
  imageMaximumGcAge: { type: 'string', default: '0s', help: 'how long an image may be unused before it is removed; 0: for ever' },
  maxContainerRestartPeriod: { type: 'string', default: '5m0s', help: 'longest wait between restarts of a container that crashes' },
  containerLogMaxSize: { type: 'string', default: '10Mi', help: 'how large the log of a container may grow before it is rotated, where the runtime writes real files; negative: as large as it likes' },
  containerLogMaxFiles: { type: 'number', default: 5, help: 'how many files of a container\'s log are kept, the current one included' },
  containerLogMonitorInterval: { type: 'string', default: '10s', help: 'how often the sizes of logs are looked at' },
  maximumDeadContainersPerContainer: { type: 'number', default: 1, help: 'how many ended instances of a container are kept; negative: all' },
  maximumDeadContainers: { type: 'number', default: -1, help: 'how many ended instances the node keeps in all; negative: any number' },
  minimumContainerTtlDuration: { type: 'string', default: '0s', help: 'how long an ended instance is kept at least' },
  serializeImagePulls: { type: 'boolean', default: true, help: 'pull one image after another' },
  maxParallelImagePulls: { type: 'number', default: 0, help: 'how many images are pulled at a time, without --serialize-image-pulls; 0: any number' },
  enableServiceLinks: { type: 'boolean', default: true, help: 'service environment variables for pods that want them' },
} as const satisfies ConfigSchema;

export type KubeletConfig = ConfigOf<typeof kubeletSchema>;

/** `a=1,b=2` lists as records; entries without `=` get an empty value. */
export function pairs(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
