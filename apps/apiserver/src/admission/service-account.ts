import { ServiceAccounts } from '@orrery/api';
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from '@orrery/api/types';
import { badRequest, forbidden, isNotFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { podReferences } from '../authorization/pod-references.ts';
import { creates, subjectOf, wants } from './match.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const enforceSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
const tokenSeconds = 3607;

/** The default account of a new namespace is made by a controller a moment after it: wait for it this often, this long. */
const defaultAttempts = 10;
const defaultIntervalMs = 100;

type Context = Pick<PluginContext, 'read' | 'api' | 'env'>;

async function lookUp({ read, api }: Context, key: { namespace: string; name: string }): Promise<ServiceAccount | undefined> {
  const cached = read.get(ServiceAccounts, key);
  if (cached) return cached;
  try {
    return await api.get(ServiceAccounts, key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function accountOf(context: Context, attributes: AdmissionAttributes, name: string): Promise<ServiceAccount> {
  const { namespace } = attributes;
  for (let attempt = 1; ; attempt++) {
    const account = await lookUp(context, { namespace, name });
    if (account) return account;
    if (name !== 'default' || attempt >= defaultAttempts) break;
    await context.env.clock.sleep(defaultIntervalMs);
  }
  throw forbidden(subjectOf(attributes), `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`);
}

/** A projected volume with a token, the cluster's CA and the namespace. */
function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  };
}

function mountToken(context: Context, spec: PodSpec): void {
  const existing = spec.volumes?.find((volume) => volume.name?.startsWith(volumePrefix));
  const name = existing?.name ?? `${volumePrefix}${context.env.random.name(5)}`;
  let mounted = false;
  const mount = (container: Container): Container => {
    if (container.volumeMounts?.some((one) => one.mountPath === mountPath)) return container;
    mounted = true;
    return { ...container, volumeMounts: [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }] };
  };
  if (spec.initContainers) spec.initContainers = spec.initContainers.map(mount);
  spec.containers = (spec.containers ?? []).map(mount);
  if (mounted && !existing) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function checkMirrorPod(pod: Pod, attributes: AdmissionAttributes): void {
  if (pod.spec?.serviceAccountName) throw forbidden(subjectOf(attributes), 'a mirror pod may not reference service accounts');
  const { secrets } = podReferences({ ...pod, metadata: { ...pod.metadata, annotations: {} } });
  if (secrets.size) throw forbidden(subjectOf(attributes), 'a mirror pod may not reference secrets');
  const projectsToken = pod.spec?.volumes?.some((volume) => volume.projected?.sources?.some((source) => source.serviceAccountToken));
  if (projectsToken) throw forbidden(subjectOf(attributes), 'a mirror pod may not use ServiceAccountToken volume projections');
}

function checkSecrets(pod: Pod, account: ServiceAccount, attributes: AdmissionAttributes): void {
  if (account.metadata?.annotations?.[enforceSecretsAnnotation] !== 'true') return;
  const allowed = new Set((account.secrets ?? []).map((ref) => ref.name));
  const pulls = new Set((account.imagePullSecrets ?? []).map((ref) => ref.name));
  const own = pod.spec?.imagePullSecrets ?? [];
  for (const name of podReferences(structuredClone(pod)).secrets) {
    if (allowed.has(name) || own.some((ref) => ref.name === name)) continue;
    throw forbidden(subjectOf(attributes), `volume with secret.secretName=${JSON.stringify(name)} is not allowed because service account ${account.metadata.name} does not reference that secret`);
  }
  for (const { name } of own) {
    if (!pulls.has(name)) throw forbidden(subjectOf(attributes), `imagePullSecrets[0].name=${JSON.stringify(name)} is not allowed because service account ${account.metadata.name} does not reference that imagePullSecret`);
  }
}

/** Gives every pod a service account, its pull secrets and a token to talk to the API server with. */
export function serviceAccount(context: Context): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: wants(creates('pods')),
    async admit(attributes) {
      const pod = attributes.object as Pod;
      const { spec } = pod;
      if (!spec) throw badRequest('pod has no spec');
      if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return checkMirrorPod(pod, attributes);
      if (!spec.serviceAccountName) spec.serviceAccountName = 'default';
      spec.serviceAccount = spec.serviceAccountName;
      const account = await accountOf(context, attributes, spec.serviceAccountName);
      checkSecrets(pod, account, attributes);
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(context, spec);
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) spec.imagePullSecrets = account.imagePullSecrets.map((ref) => ({ ...ref }));
    },
  };
}
