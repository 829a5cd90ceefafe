import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule } from '../../../gen/types.ts';
import { formatLoadBalancer } from '../../core/v1/service.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { ipFamily, ipMessage } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkPort } from '../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, portName, wildcardSubdomain } from '../../validation/names.ts';
import { checkTypedReference } from './typed-reference.ts';

const classAnnotation = 'kubernetes.io/ingress.class';

const notAnAddress = 'must be a DNS name, not an IP address';

const checkHost = (host: string, at: FieldPath): void => at.matches(host, host.includes('*') ? wildcardSubdomain : dns1123Subdomain);

function checkBackend({ resource, service }: IngressBackend, at: FieldPath): void {
  if (resource && service) return at.invalid('', 'cannot set both resource and service backends');
  if (resource) return checkTypedReference(resource, at.child('resource'));
  if (!service) return at.invalid('', 'resource or service backend is required');
  const path = at.child('service');
  path.child('name').requires(service?.name, dns1123Label);
  const { name = '', number = 0 } = service?.port ?? {};
  if (name !== '' && number !== 0) at.invalid('', 'cannot set both port name & port number');
  else if (name !== '') path.child('port').child('name').matches(name, portName);
  else if (number !== 0) checkPort(number, path.child('port').child('number'));
  else at.required('port name or number is required');
}

const forbiddenParts = ['//', '/./', '/../', '%2f', '%2F'];
const forbiddenEnds = ['/..', '/.'];

function checkPath({ path = '', pathType, backend }: HTTPIngressPath, at: FieldPath): void {
  if (!pathType) return at.child('pathType').required('pathType must be specified');
  if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) at.child('path').invalid(path, 'must be an absolute path');
  } else if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) at.child('path').invalid(path, 'must be an absolute path');
    for (const part of forbiddenParts) if (path.includes(part)) at.child('path').invalid(path, `must not contain '${part}'`);
    for (const end of forbiddenEnds) if (path.endsWith(end)) at.child('path').invalid(path, `cannot end with '${end}'`);
  } else at.child('pathType').notSupported(pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
  checkBackend(backend ?? {}, at.child('backend'));
}

function checkRule({ host, http }: IngressRule, at: FieldPath): void {
  if (host && ipFamily(host)) at.child('host').invalid(host, notAnAddress);
  if (host) checkHost(host, at.child('host'));
  if (!http) return;
  const paths = at.child('http').child('paths');
  if (!http.paths?.length) paths.required();
  for (const [i, path] of (http.paths ?? []).entries()) checkPath(path, paths.at(i));
}

const isSecretName = (name: string | undefined): boolean => !name || dns1123Subdomain(name).length === 0;

/** Names of secrets that were stored before they were checked may stay. */
function checkIngress({ spec = {} }: Ingress, { at, old }: { at: FieldPath; old?: Ingress }): void {
  const rules = spec.rules ?? [];
  if (rules.length === 0 && !spec.defaultBackend) at.invalid(spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified');
  if (spec.defaultBackend) checkBackend(spec.defaultBackend, at.child('defaultBackend'));
  for (const [i, rule] of rules.entries()) checkRule(rule, at.child('rules').at(i));
  const anySecret = (old?.spec?.tls ?? []).some(({ secretName }) => !isSecretName(secretName));
  for (const [i, { hosts, secretName }] of (spec.tls ?? []).entries()) {
    for (const [h, host] of (hosts ?? []).entries()) checkHost(host, at.child('tls').at(i).child('hosts').at(h));
    if (secretName && !anySecret) at.child('tls').at(i).child('secretName').matches(secretName, dns1123Subdomain);
  }
  if (spec.ingressClassName !== undefined) at.child('ingressClassName').matches(spec.ingressClassName, dns1123Subdomain);
}

/** What is new says its class once, or twice alike. */
function checkNew(ingress: Ingress, root: FieldPath): void {
  const { metadata, spec = {} } = ingress;
  checkIngress(ingress, { at: root.child('spec') });
  const annotated = metadata?.annotations?.[classAnnotation];
  if (annotated && spec.ingressClassName !== undefined && annotated !== spec.ingressClassName) {
    root.child('annotations').child(classAnnotation).invalid(annotated, 'must match `ingressClassName` when both are specified');
  }
}

const shown = 3;

function hosts({ spec }: Ingress): string {
  const rules = spec?.rules ?? [];
  const named = rules.map(({ host }) => host ?? '').filter((host) => host !== '');
  if (named.length === 0) return '*';
  const list = named.slice(0, shown).join(',');
  return named.length > shown ? `${list} + ${rules.length - shown} more...` : list;
}

export const ingressKind = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  resource: 'ingresses',
  namespaced: true,
  shortNames: ['ing'],
  storagePrefix: 'ingress',
  hasStatus: true,
  emptyStatus: { loadBalancer: {} },
  generation: 'spec',
  validate: (ingress) => findProblems((root) => checkNew(ingress, root)),
  validateUpdate: (ingress, old) => findProblems((root) => checkIngress(ingress, { at: root.child('spec'), old })),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      for (const [i, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
        const at = root.child('status').child('loadBalancer').child('ingress').at(i);
        if (ip && !ipFamily(ip)) at.child('ip').invalid(ip, ipMessage);
        if (hostname) at.child('hostname').matches(hostname, dns1123Subdomain);
        if (hostname && ipFamily(hostname)) at.child('hostname').invalid(hostname, notAnAddress);
      }
    }),
  warnings: ({ metadata }, old) =>
    !old && metadata?.annotations?.[classAnnotation] !== undefined
      ? [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
      : [],
  columns: [
    nameColumn,
    text('Class', ({ spec }) => spec?.ingressClassName ?? '<none>'),
    text('Hosts', hosts),
    text('Address', ({ status }) => formatLoadBalancer(status?.loadBalancer?.ingress)),
    text('Ports', ({ spec }) => ((spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
    ageColumn,
  ],
});
