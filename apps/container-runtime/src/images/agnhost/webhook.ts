import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import type { Proc } from '../../process/proc.ts';
import { type Command, type Flags } from './flags.ts';
import { forever } from './forever.ts';
import { tlsFromFlags } from './tls-flags.ts';

interface Labelled {
  readonly metadata?: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> };
}

interface AdmittedPod extends Labelled {
  readonly spec?: { readonly containers?: readonly { readonly name: string }[]; readonly initContainers?: readonly { readonly name: string }[] };
}

interface WithData extends Labelled {
  readonly data?: Readonly<Record<string, string>>;
}

interface AdmissionRequest {
  readonly uid: string;
  readonly name?: string;
  readonly operation: string;
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  readonly subResource?: string;
  readonly object?: object;
  readonly oldObject?: object;
}

interface Verdict {
  readonly allowed: boolean;
  readonly status?: { readonly message?: string; readonly reason?: string; readonly status?: string; readonly code?: number };
  readonly patch?: readonly object[];
}

type Admit = (request: AdmissionRequest, context: { readonly proc: Proc; readonly flags: Flags }) => Verdict | Promise<Verdict>;

const allowed: Verdict = { allowed: true };
const denied = (status: Verdict['status']): Verdict => ({ allowed: false, ...(status ? { status } : {}) });

const disallow = 'webhook-disallow';
const testKey = 'webhook-e2e-test';

function isResource({ resource }: AdmissionRequest, name: string): boolean {
  return resource.group === '' && resource.version === 'v1' && resource.resource === name;
}

const wrongResource = (name: string): Verdict => denied({ message: `expect resource to be {"" "v1" "${name}"}` });

const admitPods: Admit = async (request, { proc }) => {
  if (!isResource(request, 'pods')) return wrongResource('pods');
  const { metadata, spec } = (request.object ?? {}) as AdmittedPod;
  const label = metadata?.labels?.[testKey];
  const messages: string[] = [];
  if (label === disallow) messages.push('the pod contains unwanted label;');
  // A webhook that hangs: the API server has to give up on its own.
  if (label === 'wait-forever') await proc.until(new Promise<never>(() => undefined));
  for (const { name } of spec?.containers ?? []) if (name.includes(disallow)) messages.push('the pod contains unwanted container name;');
  return messages.length ? denied({ message: messages.join(' ') }) : allowed;
};

const denyAttach: Admit = (request) => {
  if (request.name !== 'to-be-attached-pod') return allowed;
  if (!isResource(request, 'pods')) return wrongResource('pods');
  if (request.subResource !== 'attach') return denied({ message: `expect subresource to be attach, got ${request.subResource ?? ''}` });
  const { stdin, container } = (request.object ?? {}) as { stdin?: boolean; container?: string };
  return stdin && container === 'container1' ? denied({ message: "attaching to pod 'to-be-attached-pod' is not allowed" }) : allowed;
};

function addContainer(list: 'initContainers' | 'containers', container: { image: string; name: string }, existing: readonly { name: string }[] = []): Verdict {
  if (existing.some(({ name }) => name === container.name)) return allowed;
  const value = { ...container, resources: {} };
  return { allowed: true, patch: [list === 'containers' ? { op: 'add', path: '/spec/containers/-', value } : { op: 'add', path: '/spec/initContainers', value: [value] }] };
}

const mutatePods: Admit = (request) => {
  if (!isResource(request, 'pods')) return wrongResource('pods');
  const { metadata, spec } = (request.object ?? {}) as AdmittedPod;
  if (metadata?.name !== 'webhook-to-be-mutated') return allowed;
  return addContainer('initContainers', { image: 'webhook-added-image', name: 'webhook-added-init-container' }, spec?.initContainers);
};

const addSidecar: Admit = (request, { flags }) => {
  const image = flags.get('sidecar-image') ?? '';
  if (image === '') return denied({ status: 'Failure', message: 'No image specified by the sidecar-image parameter', code: 500 });
  if (!isResource(request, 'pods')) return wrongResource('pods');
  return addContainer('containers', { image, name: 'webhook-added-sidecar' }, ((request.object ?? {}) as AdmittedPod).spec?.containers);
};

const addLabel: Admit = ({ object }) => {
  const labels = ((object ?? {}) as Labelled).metadata?.labels ?? {};
  const path = '/metadata/labels/added-label';
  if (Object.keys(labels).length === 0) return { allowed: true, patch: [{ op: 'add', path: '/metadata/labels', value: { 'added-label': 'yes' } }] };
  if (labels['added-label'] === 'yes') return allowed;
  return { allowed: true, patch: [{ op: labels['added-label'] === undefined ? 'add' : 'replace', path, value: 'yes' }] };
};

/** Denies what carries the wrong data; the complaint is in the status's reason, as it always was. */
function admitData(what: 'configmap' | 'custom resource'): Admit {
  const complaint = what === 'configmap' ? 'the configmap contains unwanted key and value' : 'the custom resource contains unwanted data';
  return (request) => {
    if (what === 'configmap' && !isResource(request, 'configmaps')) return wrongResource('configmaps');
    const isDelete = request.operation === 'DELETE';
    const value = (((isDelete ? request.oldObject : request.object) ?? {}) as WithData).data?.[testKey];
    if (value === disallow && (request.operation === 'CREATE' || request.operation === 'UPDATE')) return denied({ reason: complaint });
    if (value === 'webhook-nondeletable' && isDelete) return denied({ reason: `the ${what} cannot be deleted because it contains unwanted key and value` });
    return allowed;
  };
}

/** Each of two webhooks adds what the other waits for. */
const mutateData: Admit = ({ object }) => {
  const { data = {} } = (object ?? {}) as WithData;
  const stage = data['mutation-stage-1'] === 'yes' ? 2 : data['mutation-start'] === 'yes' ? 1 : 0;
  return stage === 0 ? allowed : { allowed: true, patch: [{ op: 'add', path: `/data/mutation-stage-${stage}`, value: 'yes' }] };
};

const admitCrd: Admit = ({ object }) => (((object ?? {}) as Labelled).metadata?.labels?.[testKey] === disallow ? denied({ message: 'the crd contains unwanted label' }) : allowed);

const delayMs = 5000;

const endpoints: Readonly<Record<string, Admit>> = {
  '/always-allow-delay-5s': async (_request, { proc }) => (await proc.sleep(delayMs), allowed),
  '/always-deny': () => denied({ message: 'this webhook denies all requests' }),
  '/add-label': addLabel,
  '/pods': admitPods,
  '/pods/attach': denyAttach,
  '/mutating-pods': mutatePods,
  '/mutating-pods-sidecar': addSidecar,
  '/configmaps': admitData('configmap'),
  '/mutating-configmaps': (request, context) => (isResource(request, 'configmaps') ? mutateData(request, context) : wrongResource('configmaps')),
  '/custom-resource': admitData('custom resource'),
  '/mutating-custom-resource': mutateData,
  '/crd': admitCrd,
};

const badRequest = (message: string): HttpReply => ({ status: 400, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: `${message}\n` });

interface Review {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly request?: AdmissionRequest;
}

async function reply(request: HttpRequest, decide: (request: AdmissionRequest) => Verdict | Promise<Verdict>): Promise<HttpReply> {
  if (request.headers['content-type'] !== 'application/json') return { status: 200, body: '' };
  let review: Review;
  try {
    review = JSON.parse((await request.body()).toString()) as Review;
  } catch (error) {
    return badRequest(`Request could not be decoded: ${(error as Error).message}`);
  }
  const { kind, apiVersion = '' } = review;
  if (kind !== 'AdmissionReview' || !/^admission\.k8s\.io\/v1(?:beta1)?$/.test(apiVersion) || !review.request) return badRequest(`Unsupported group version kind: ${apiVersion}, Kind=${kind ?? ''}`);
  const { patch, ...verdict } = await decide(review.request);
  const changes = patch ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') } : {};
  const body = JSON.stringify({ kind, apiVersion, response: { uid: review.request.uid, ...verdict, ...changes } });
  return { status: 200, headers: [['Content-Type', 'application/json']], body };
}

/** Admission webhooks of every sort over TLS, as tests of the API server call them. */
export const webhook: Command = async (proc, flags) => {
  const secure = await tlsFromFlags(proc, flags);
  serveHttp(proc, { ip: '', port: flags.number('port', 443), secure }, (request) => {
    if (request.path === '/readyz') return { status: 200, body: 'ok' };
    const admit = endpoints[request.path];
    return admit ? reply(request, (asked) => admit(asked, { proc, flags })) : { status: 404, body: '404 page not found\n' };
  });
  return forever(proc);
};
