import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../gen/types.ts';
import { context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { podKind } from './pod.ts';

const container = { name: 'c', image: 'x' };
const spec = (fields: object): object => ({ spec: { containers: [container], ...fields } });
const within = (fields: object): object => spec({ containers: [{ ...container, ...fields }] });
const annotated = (annotations: object, fields: object = {}): object => ({ metadata: { name: 'x', namespace: 'default', annotations }, spec: { containers: [container], ...fields } });
const volume = (source: object): object => spec({ volumes: [{ name: 'v', ...source }] });
const c = 'spec.containers[0]';
const v = 'spec.volumes[0]';

describe('what upstream lets pass', () => {
  it.each<[string, object]>([
    ['restart rules', within({ restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] })],
    ['a variable from a file', spec({ volumes: [{ name: 'v', emptyDir: {} }], containers: [{ ...container, env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'env', key: 'A' } } }] }] })],
    ['an image volume, mounted at a path of it', spec({ volumes: [{ name: 'v', image: { reference: 'r' } }], containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/m', subPath: 'a' }] }] })],
    ['a user namespace', spec({ hostUsers: false, containers: [{ ...container, securityContext: { procMount: 'Unmasked' } }] })],
    ['an underscore in a search domain', spec({ dnsConfig: { searches: ['_tcp.example.com', '.'] } })],
    ['a signal to stop', spec({ os: { name: 'linux' }, containers: [{ ...container, lifecycle: { stopSignal: 'SIGUSR1' } }] })],
    ['no seconds of sleep', within({ lifecycle: { preStop: { sleep: { seconds: 0 } } } })],
    ['a claim for a block device', spec({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'p' } }], containers: [{ ...container, volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] }] })],
    ['an annotation in the downward API', within({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['Example.com/Key']" } } }] })],
  ])('%s', (_, fields) => expect(problems(podKind, fields)).toEqual([]));
});

describe('containers', () => {
  it.each<[string, object, string[]]>([
    ['rules without a policy', within({ restartPolicyRules: [{ action: 'Stop' }] }), [
      `${c}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`,
      `${c}.restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"`,
      `${c}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
    ]],
    ['a file in no volume', within({ env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: '../a', key: 'A' } } }] }), [
      `${c}.env[0].valueFrom.fileKeyRef.path: Invalid value: "../a": must not contain '..'`,
      `${c}.env[0].valueFrom.fileKeyRef.volumeName: Not found: "v"`,
    ]],
    ['a source of nothing', within({ env: [{ name: 'A', valueFrom: {} }] }), [
      `${c}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\`, \`secretKeyRef\` or \`fileKeyRef\``,
    ]],
    ['an odd divisor', within({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '2Mi' } } }] }), [
      `${c}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource`,
    ]],
    ['a field that takes no key', within({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "spec.x['a']" } } }] }), [
      `${c}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x['a']": error converting fieldPath: field label does not support subscript: spec.x['a']`,
    ]],
    ['a device of a directory', spec({ volumes: [{ name: 'v', emptyDir: {} }], containers: [{ ...container, volumeDevices: [{ name: 'v', devicePath: '/a/..' }] }] }), [
      `${c}.volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode`,
      `${c}.volumeDevices[0].devicePath: Invalid value: "/a/..": can not contain backsteps ('..')`,
    ]],
    ['resize policies of a pod that ends', spec({ restartPolicy: 'Never', containers: [{ ...container, resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }, { resourceName: 'cpu', restartPolicy: 'NotRequired' }] }] }), [
      `${c}.resizePolicy: Invalid value: "RestartContainer": must be 'NotRequired' when pod \`restartPolicy\` is 'Never'`,
      `${c}.resizePolicy[1]: Duplicate value: "cpu"`,
    ]],
    ['pages that do not divide', within({ resources: { limits: { 'hugepages-2Mi': '3Mi', cpu: '1' } } }), [
      `${c}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
      `${c}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
    ]],
    ['a claim that the pod does not name', within({ resources: { claims: [{ name: 'a' }] } }), [
      `${c}.resources.claims[0]: Not found: "a": must be one of the names in pod.spec.resourceClaims which is empty`,
    ]],
    ['unmasked procfs of the host', within({ securityContext: { procMount: 'Unmasked', runAsUser: 2 ** 31 } }), [
      `${c}.securityContext.runAsUser: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`,
      `${c}.securityContext.procMount: Invalid value: "Unmasked": \`hostUsers\` must be false to use \`Unmasked\``,
    ]],
    ['blanks around the image', within({ image: ' x' }), [`${c}.image: Invalid value: " x": must not have leading or trailing whitespace`]],
    ['a signal of no system', within({ lifecycle: { stopSignal: 'SIGTERM' } }), [`${c}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty \`spec.os.name\``]],
    ['an init container to be restarted by a resize', spec({ initContainers: [{ name: 'i', image: 'x', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }] }), [
      "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to 'RestartContainer' for non-sidecar initContainers",
    ]],
    ['recursion into what may be written', spec({ volumes: [{ name: 'v', emptyDir: {} }], containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/m', recursiveReadOnly: 'Enabled', mountPropagation: 'HostToContainer' }] }] }), [
      `${c}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true`,
      `${c}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified`,
    ]],
  ])('%s', (_, fields, expected) => expect(problems(podKind, fields)).toEqual(expected));
});

describe('volumes', () => {
  it.each<[string, object, string[]]>([
    ['two sources', volume({ emptyDir: {}, hostPath: { path: '/x' } }), [`${v}.hostPath: Forbidden: may not specify more than 1 volume type`]],
    ['a template with a name', volume({ ephemeral: { volumeClaimTemplate: { metadata: { name: 'n' }, spec: {} } } }), [
      `${v}.ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set`,
      `${v}.ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required`,
      `${v}.ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value`,
    ]],
    ['the same file twice', volume({ projected: { sources: [{ configMap: { name: 'm', items: [{ key: 'a', path: 'f' }] } }, { secret: { name: 's', items: [{ key: 'a', path: 'f' }] } }] } }), [
      `${v}.projected: Invalid value: "s": conflicting duplicate paths`,
    ]],
    ['a token of no account', volume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }), [
      `${v}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes`,
      `${v}.projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set`,
    ]],
    ['certificates', volume({ projected: { sources: [{ podCertificate: { signerName: 'example.com/s', keyType: 'DSA', maxExpirationSeconds: 60 } }] } }), [
      `${v}.projected.sources[0].podCertificate.keyType: Unsupported value: "DSA": supported values: "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"`,
      `${v}.projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 60: if provided, maxExpirationSeconds must be >= 3600`,
      `${v}.projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath`,
    ]],
    ['a bundle by name and signer', volume({ projected: { sources: [{ clusterTrustBundle: { path: 'b' } }] } }), [
      `${v}.projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified`,
    ]],
    ['iscsi', volume({ iscsi: { targetPortal: 'p', iqn: 'x', lun: 256 } }), [
      `${v}.iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa`,
      `${v}.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive`,
    ]],
    ['a driver without a name', volume({ csi: { driver: 'A_b' } }), [
      `${v}.csi.driver: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ]],
    ['a directory that leads out', volume({ hostPath: { path: '/a/../b', type: 'Folder' } }), [
      `${v}.hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
      `${v}.hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"`,
    ]],
  ])('%s', (_, fields, expected) => expect(problems(podKind, fields)).toEqual(expected));
});

describe('the pod as a whole', () => {
  it.each<[string, object, string[]]>([
    ['host namespaces beside a user namespace', spec({ hostUsers: false, hostPID: true, hostNetwork: true }), [
      'spec.hostNetwork: Forbidden: when `hostUsers` is false',
      'spec.HostPID: Forbidden: when `hostUsers` is false',
    ]],
    ['two ways to a hostname', spec({ hostnameOverride: 'h', setHostnameAsFQDN: true }), ['spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true']],
    ['comparisons in tolerations', spec({ tolerations: [{ key: 'a', operator: 'Gt', value: '1' }] }), ['spec.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"']],
    ['keys beside no selector', spec({ topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'k', whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['a'] }] }), [
      'spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set',
    ]],
    ['pod-level claims, and less than containers need', spec({ resources: { requests: { cpu: '1', 'ephemeral-storage': '1Gi' }, claims: [] }, containers: [{ ...container, resources: { requests: { cpu: '2' } } }] }), [
      'spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level',
      'spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"',
      'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
    ]],
    ['ephemeral containers from the start', spec({ ephemeralContainers: [{ name: 'e', image: 'x' }] }), ['spec.ephemeralContainers: Forbidden: cannot be set on create']],
    ['a node behind gates', spec({ nodeName: 'n', schedulingGates: [{ name: 'g' }] }), ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared']],
    ['Linux options on Windows', spec({ os: { name: 'windows' }, hostPID: true, securityContext: { runAsUser: 1 } }), [
      'spec.hostPID: Forbidden: cannot be set for a windows pod',
      'spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod',
    ]],
    ['Windows options on Linux', spec({ os: { name: 'linux' }, securityContext: { windowsOptions: { runAsUserName: '' } } }), [
      'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "": runAsUserName cannot be an empty string',
      'spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
    ]],
    ['an operating system of its own', spec({ os: { name: 'plan9' } }), ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']],
    ['addresses as they were once written', spec({ hostAliases: [{ ip: '010.0.0.1' }, { ip: '::ffff:10.0.0.1' }], dnsConfig: { nameservers: ['x'] } }), [
      'spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'spec.hostAliases[0].ip: Invalid value: "010.0.0.1": must not have leading 0s',
      'spec.hostAliases[1].ip: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address',
    ]],
    ['sysctls of the host', spec({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net/ipv4/x', value: '1' }, { name: 'A', value: '1' }] } }), [
      "spec.securityContext.sysctls[0].name: Invalid value: \"net/ipv4/x\": may not be specified when 'hostNetwork' is true",
      'spec.securityContext.sysctls[1].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
    ]],
    ['annotations', annotated({ 'kubernetes.io/config.mirror': 'm', 'controller.kubernetes.io/pod-deletion-cost': '1.5', 'container.apparmor.security.beta.kubernetes.io/other': 'what', 'seccomp.security.alpha.kubernetes.io/pod': 'x' }), [
      'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "m": must set spec.nodeName if mirror pod annotation is set',
      'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "1.5": must be a 32bit integer',
      'metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "x": must be a valid seccomp profile',
      'metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "other": container not found',
      'metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "what": invalid AppArmor profile name: "what"',
    ]],
    ['a profile said twice', annotated({ 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }, { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }), [
      'spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match',
    ]],
  ])('%s', (_, fields, expected) => expect(problems(podKind, fields)).toEqual(expected));
});

it('merges keys into selectors, and finds what was there before', () => {
  const term = (selector: object): object => spec({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'k', matchLabelKeys: ['app'], labelSelector: selector }] } } });
  const labelled = (fields: object): object => ({ ...fields, metadata: { name: 'x', namespace: 'default', labels: { app: 'a' } } });
  expect(problems(podKind, labelled(term({ matchLabels: { tier: 'b' } })))).toEqual([]);
  expect(problems(podKind, labelled(term({ matchLabels: { app: 'b' } })))).toEqual([
    'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0][0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector',
  ]);
});

it('takes AppArmor annotations for the field, with a warning', () => {
  const key = 'container.apparmor.security.beta.kubernetes.io/c';
  const pod = created(podKind, annotated({ [key]: 'localhost/p' }));
  expect(pod.spec?.containers[0]?.securityContext).toEqual({ appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } });
  expect(podKind.warnings(pod, undefined)).toEqual([`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`]);
  expect(podKind.validate(pod)).toEqual([]);
});

describe('updates', () => {
  const gated = { schedulingGates: [{ name: 'g' }], nodeSelector: { a: '1' } };
  it.each<[string, object, object, string[]]>([
    ['the choice of nodes shrinks behind gates', spec(gated), spec({ ...gated, nodeSelector: { a: '1', b: '2' } }), []],
    ['and does not grow', spec(gated), spec({ ...gated, nodeSelector: { b: '2' } }), ['spec.nodeSelector: Invalid value: {"b":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)']],
    ['gates go, and none come', spec({ schedulingGates: [{ name: 'g' }] }), spec({ schedulingGates: [{ name: 'h' }] }), ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"]],
    ['tolerations come, and none go', spec({ tolerations: [{ key: 'a', operator: 'Exists' }] }), spec({ tolerations: [{ key: 'b', operator: 'Exists' }] }), ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds']],
    ['a deadline comes closer', spec({ activeDeadlineSeconds: 10 }), spec({ activeDeadlineSeconds: 11 }), ['spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value']],
    ['a mirror stays one', annotated({ 'kubernetes.io/config.mirror': 'm' }, { nodeName: 'n' }), annotated({}, { nodeName: 'n' }), ['metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation']],
  ])('%s', (_, old, next, expected) => expect(updateProblems(podKind, { old, next })).toEqual(expected));
});

function resizeProblems(old: object, next: object, status: object = {}): string[] {
  const resize = podKind.subresources.find(({ name }) => name === 'resize');
  const before = created(podKind, old);
  before.status = { ...before.status, ...status } as Pod['status'];
  const after = made(podKind, next);
  resize?.prepareForUpdate?.(after, before, context);
  return (resize?.validateUpdate?.(after, before) ?? []).map(({ field, message }) => `${field}: ${message}`);
}

describe('resizes', () => {
  const asks = (requests: object, rest: object = {}): object => within({ resources: { requests }, ...rest });
  it.each<[string, object, object, string[]]>([
    ['cpu and memory', asks({ cpu: '1' }), asks({ cpu: '2', memory: '1Mi' }), []],
    ['nothing else', asks({ cpu: '1' }), asks({ cpu: '1', 'ephemeral-storage': '1Gi' }), ['spec: Forbidden: only cpu and memory resources are mutable']],
    ['no requests go', asks({ cpu: '1', memory: '1Mi' }), asks({ cpu: '1' }), ['spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed']],
    ['containers keep their names', asks({ cpu: '1' }), spec({ containers: [{ name: 'd', image: 'x', resources: { requests: { cpu: '1' } } }] }), ['spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize']],
    ['no mirrors', { ...annotated({ 'kubernetes.io/config.mirror': 'm' }, { nodeName: 'n' }) }, asks({ cpu: '1' }), ['[]: Forbidden: static pods cannot be resized']],
    ['the class of service stays', within({}), asks({ cpu: '1' }), ['spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing']],
    ['pod-level requests stay', spec({ resources: { requests: { cpu: '1' } } }), spec({}), [
      'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
      'spec.resources: Forbidden: pod-level resources cannot be removed',
    ]],
  ])('%s', (_, old, next, expected) => expect(resizeProblems(old, next)).toEqual(expected));

  it('is for nodes that can', () => {
    const running = { containerStatuses: [{ name: 'c', state: { running: {} } }] };
    expect(resizeProblems(asks({ cpu: '1' }), asks({ cpu: '2' }), running)).toEqual(['spec: Forbidden: Pod running on node without support for resize']);
  });
});

describe('status', () => {
  const update = (old: object, next: object, fields: object = {}): string[] => {
    const before = created(podKind, spec(fields));
    before.status = { ...before.status, ...old } as Pod['status'];
    const after = structuredClone(before);
    after.status = { ...after.status, ...next } as Pod['status'];
    podKind.defaults(after);
    podKind.prepareForStatusUpdate(after, before, context);
    return podKind.validateStatusUpdate(after, before).map(({ field, message }) => `${field}: ${message}`);
  };
  const ended = (exitCode: number): object => ({ containerStatuses: [{ name: 'c', state: { terminated: { exitCode } } }] });
  const running = { containerStatuses: [{ name: 'c', state: { running: {} } }] };

  it.each<[string, object, object, object, string[]]>([
    ['two addresses of one family', {}, { podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] }, {}, ['status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family']],
    ['a condition of no name', {}, { conditions: [{ type: 'a b', status: 'True' }] }, {}, [
      "status.conditions[0].Type: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ]],
    ['what ended for good', ended(0), running, { restartPolicy: 'OnFailure' }, ['status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state']],
    ['what failed', ended(1), running, { restartPolicy: 'OnFailure' }, []],
    ['what a rule restarts', ended(42), running, { restartPolicy: 'Never', containers: [{ ...container, restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] }] }, []],
    ['a nomination of what is bound', {}, { nominatedNodeName: 'n' }, { nodeName: 'm' }, ['status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node']],
    ['another class of service', {}, { qosClass: 'Guaranteed' }, {}, ['status.qosClass: Invalid value: "Guaranteed": field is immutable']],
    ['a claim that the pod does not name', {}, { resourceClaimStatuses: [{ name: 'r' }] }, {}, ['status.resourceClaimStatuses[0].name: Invalid value: "r": must match the name of an entry in `spec.resourceClaims`']],
  ])('%s', (_, old, next, fields, expected) => expect(update(old, next, fields)).toEqual(expected));

  it('has one first address', () => {
    const pod = made(podKind, { ...spec({}), status: { podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.1' }] } });
    expect(pod.status?.podIPs).toEqual([{ ip: '10.0.0.2' }]);
  });
});

describe('warnings', () => {
  const warnings = (fields: object): string[] => podKind.warnings(created(podKind, fields), undefined);
  it.each<[string, object, string[]]>([
    ['labels of nodes', spec({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' }, topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'failure-domain.beta.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' }] }), [
      'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
      'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    ]],
    ['doubles', spec({ imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}], hostAliases: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }] }), [
      'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
      'spec.imagePullSecrets[1].name: duplicate name "a"',
      'spec.imagePullSecrets[2].name: invalid empty name ""',
    ]],
    ['a variable made of itself', within({ env: [{ name: 'A', value: '1' }, { name: 'A', value: '$(A)2' }, { name: 'A', value: '3' }] }), [`${c}.env[2]: hides previous definition of "A", which may be dropped when using apply`]],
    ['ports', within({ ports: [{ containerPort: 80 }, { containerPort: 80, hostPort: 81 }, { containerPort: 80, hostIP: '127.0.0.1' }] }), [
      `${c}.ports[1]: overlapping port definition with ${c}.ports[0]`,
      `${c}.ports[2]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:127.0.0.1}`,
      `${c}.ports[2]: overlapping port definition with ${c}.ports[0]`,
      `${c}.ports[2]: overlapping port definition with ${c}.ports[1]`,
    ]],
    ['half bytes', within({ resources: { requests: { memory: '500m' } } }), [`${c}.resources.requests[memory]: fractional byte value "500m" is invalid, must be an integer`]],
    ['a file beside a token', spec({ serviceAccountName: 's', volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }, { configMap: { name: 'm', items: [{ key: 'k', path: 't' }] } }] } }] }), [
      `${v}.projected.sources.configMap[0]: has duplicated path with ServiceAccountToken "t"`,
    ]],
    ['old annotations', annotated({ 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }), ['metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead']],
    ['affinity to nothing', spec({ affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: { topologyKey: 'k' } }] } } }), [
      'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod',
    ]],
  ])('%s', (_, fields, expected) => expect(warnings(fields)).toEqual(expected));
});
