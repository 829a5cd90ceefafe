import type { Container, EnvVar, Pod, PodSpec, PodTemplateSpec, Probe, HTTPGetAction } from '../../../../gen/types.ts';
import { defaultPodResources, roundToMilli } from './pod-resources.ts';
import { defaultVolume } from './volume-defaults.ts';

/** Pull a moving tag every time, a fixed one when it is missing. */
export function defaultPullPolicy(image: string | undefined): string {
  const [reference = '', digest] = (image ?? '').split('@');
  const last = reference.slice(reference.lastIndexOf('/') + 1);
  const tag = last.includes(':') ? last.slice(last.lastIndexOf(':') + 1) : '';
  const moving = tag === 'latest' || (tag === '' && digest === undefined);
  return moving ? 'Always' : 'IfNotPresent';
}

function defaultHttpGet(action: HTTPGetAction | undefined): void {
  if (!action) return;
  action.path ||= '/';
  action.scheme ||= 'HTTP';
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultEnv(env: EnvVar): void {
  const { fieldRef, resourceFieldRef, fileKeyRef } = env.valueFrom ?? {};
  if (fieldRef) fieldRef.apiVersion ||= 'v1';
  if (resourceFieldRef) resourceFieldRef.divisor ??= '0';
  if (fileKeyRef) fileKeyRef.optional ??= false;
}

function defaultContainer(container: Container): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  roundToMilli(container.resources.limits);
  roundToMilli(container.resources.requests);
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const env of container.env ?? []) defaultEnv(env);
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHttpGet(container.lifecycle?.postStart?.httpGet);
  defaultHttpGet(container.lifecycle?.preStop?.httpGet);
}

const allContainers = (spec: PodSpec): Container[] => [...(spec.initContainers ?? []), ...(spec.containers ?? [])];

/** What upstream fills into every pod spec, templates included. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  aliasServiceAccount(spec);
  roundToMilli(spec.overhead);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of allContainers(spec)) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

/** `serviceAccount` is the older name of `serviceAccountName`; both are shown. */
function aliasServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (!name) return;
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
}

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec);
}

/** What only pods get, not the templates they are made from. */
export function defaultPod(pod: Pod): void {
  const spec = (pod.spec ??= { containers: [] });
  spec.enableServiceLinks ??= true;
  for (const container of allContainers(spec)) requestWhatIsLimited(container);
  defaultPodResources(spec);
  defaultPodSpec(spec);
  alignPodIps(pod);
  if (spec.hostNetwork) for (const container of allContainers(spec)) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

/** `podIP` is the older name of the first of `podIPs`, and what counts when they differ. */
function alignPodIps({ status }: Pod): void {
  if (!status) return;
  const first = status.podIPs?.[0]?.ip;
  if (status.podIP && status.podIP !== first) status.podIPs = [{ ip: status.podIP }];
  else if (!status.podIP && first) status.podIP = first;
}

function requestWhatIsLimited(container: Container): void {
  const limits = container.resources?.limits;
  if (!container.resources || !limits) return;
  container.resources.requests = { ...limits, ...container.resources.requests };
}
