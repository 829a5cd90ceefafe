import { type Kubectl, eventually } from '@orrery/testkit';

const images = 'registry.k8s.io/e2e-test-images';
export const agnhost = `${images}/agnhost:2.59`;
export const busybox = `${images}/busybox:1.37.0-1`;

type Json = Readonly<Record<string, unknown>>;

/** A container of agnhost with a sub-command. */
export const tester = (...args: string[]): Json => ({ image: agnhost, args });
/** A container that runs a script. */
export const script = (text: string, image = busybox): Json => ({ image, command: ['sh', '-c', text] });

/** A pod that runs once; containers are named c, d, e … */
export function pod(name: string, containers: readonly Json[], spec: Json = {}): Json {
  const labels = { test: name };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 2, ...spec, containers: containers.map((container, i) => ({ name: 'cdefgh'[i], ...container })) } };
}

/** A pod of one container with one volume at /v. */
export function volumePod(name: string, source: Json, of: { container: Json; spec?: Json }): Json {
  return pod(name, [{ ...of.container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }], { ...of.spec, volumes: [{ name: 'v', ...source }] });
}

export async function apply(kubectl: Kubectl, ...manifests: readonly Json[]): Promise<void> {
  await kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }) });
}

const jsonpath = (kubectl: Kubectl, name: string, path: string): Promise<string> => kubectl.ok(['get', 'pod', name, '-o', `jsonpath=${path}`]);

/** One field of a pod, as soon as it is as expected. */
export async function untilPod(kubectl: Kubectl, name: string, expected: { path: string; value: string | RegExp }): Promise<void> {
  let said = '';
  const matches = (): boolean => (typeof expected.value === 'string' ? said === expected.value : expected.value.test(said));
  await eventually(async () => ((said = await jsonpath(kubectl, name, expected.path)), matches()), { what: `pod ${name}`, withinMs: 90_000, everyMs: 200 }).catch(async (error: unknown) => {
    throw new Error(`${(error as Error).message}: ${expected.path} is ${said}, not ${String(expected.value)}\n${await jsonpath(kubectl, name, '{.status}')}`);
  });
}

/** What the container printed, once the pod has ended well. */
export async function outputOf(kubectl: Kubectl, name: string, container = 'c'): Promise<string> {
  await untilPod(kubectl, name, { path: '{.status.phase}', value: 'Succeeded' });
  return kubectl.ok(['logs', name, '-c', container]);
}

/** A log that says something, sooner or later. */
export async function untilLogs(kubectl: Kubectl, name: string, expected: { text: string; container?: string }): Promise<void> {
  let said = '';
  await eventually(async () => (said = (await kubectl.run(['logs', name, '-c', expected.container ?? 'c'])).stdout).includes(expected.text), { what: `the log of ${name}`, withinMs: 90_000, everyMs: 200 }).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: no ${JSON.stringify(expected.text)} in ${JSON.stringify(said.slice(-2000))}`);
  });
}

export const ready = (kubectl: Kubectl, ...names: readonly string[]): Promise<string> => kubectl.ok(['wait', '--for=condition=Ready', '--timeout=90s', ...names.map((name) => `pod/${name}`)]);
export const ipOf = (kubectl: Kubectl, name: string): Promise<string> => jsonpath(kubectl, name, '{.status.podIP}');
export const exec = (kubectl: Kubectl, name: string, text: string): Promise<string> => kubectl.ok(['exec', name, '-c', 'c', '--', 'sh', '-c', text]);
