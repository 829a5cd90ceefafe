import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule } from '../../../gen/types.ts';
import { formatLoadBalancer } from '../../core/v1/service.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { ipFamily, ipMessage } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkPort } from '../../validation/fields.ts';
import { dns1035Label, dns1123Subdomain, portName, wildcardSubdomain } from '../../validation/names.ts';

const classAnnotation = 'kubernetes.io/ingress.class';

function checkHost(host: string, at: FieldPath): void {
  if (ipFamily(host)) at.invalid(host, 'must be a DNS name, not an IP address');
  else at.matches(host, host.includes('*') ? wildcardSubdomain : dns1123Subdomain);
}

function checkBackend({ resource, service }: IngressBackend, at: FieldPath): void {
  if (resource && service) return at.invalid('', 'cannot set both resource and service backends');
  if (!resource && !service) return at.required('resource or service backend is required');
  if (resource) {
    if (!resource.kind) at.child('resource').child('kind').required();
    if (!resource.name) at.child('resource').child('name').required();
    return;
  }
  const path = at.child('service');
  path.child('name').requires(service?.name, dns1035Label);
  const { name = '', number = 0 } = service?.port ?? {};
  if (name !== '' && number !== 0) path.invalid('', 'cannot set both port name & port number');
  else if (name !== '') path.child('port').child('name').matches(name, portName);
  else if (number !== 0) checkPort(number, path.child('port').child('number'));
  else path.required('port name or number is required');
}

const forbiddenParts = ['//', '/./', '/../', '%2f', '%2F'];
const forbiddenEnds = ['/..', '/.'];

function checkPath({ path = '', pathType, backend }: HTTPIngressPath, at: FieldPath): void {
  if (!pathType) at.child('pathType').required('pathType must be specified');
  else if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) at.child('path').invalid(path, 'must be an absolute path');
  } else if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) at.child('path').invalid(path, 'must be an absolute path');
    for (const part of forbiddenParts) if (path.includes(part)) at.child('path').invalid(path, `must not contain '${part}'`);
    for (const end of forbiddenEnds) if (path.endsWith(end)) at.child('path').invalid(path, `cannot end with '${end}'`);
  } else at.child('pathType').notSupported(pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
  checkBackend(backend ?? {}, at.child('backend'));
}

function checkRule({ host, http }: IngressRule, at: FieldPath): void {
  if (host) checkHost(host, at.child('host'));
  if (!http) return;
  const paths = at.child('http').child('paths');
  if (!http.paths?.length) paths.required();
  for (const [i, path] of (http.paths ?? []).entries()) checkPath(path, paths.at(i));
}

function checkIngress({ metadata, spec = {} }: Ingress, root: FieldPath): void {
  const at = root.child('spec');
  const rules = spec.rules ?? [];
  for (const [i, rule] of rules.entries()) checkRule(rule, at.child('rules').at(i));
  if (spec.defaultBackend) checkBackend(spec.defaultBackend, at.child('defaultBackend'));
  if (rules.length === 0 && !spec.defaultBackend) at.invalid(spec, 'either `defaultBackend` or `rules` must be specified');
  for (const [i, { hosts }] of (spec.tls ?? []).entries()) {
    for (const [h, host] of (hosts ?? []).entries()) checkHost(host, at.child('tls').at(i).child('hosts').at(h));
  }
  if (spec.ingressClassName !== undefined) at.child('ingressClassName').matches(spec.ingressClassName, dns1123Subdomain);
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
  validate: (ingress) => findProblems((root) => checkIngress(ingress, root)),
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      for (const [i, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
        const at = root.child('status').child('loadBalancer').child('ingress').at(i);
        if (ip && !ipFamily(ip)) at.child('ip').invalid(ip, ipMessage);
        if (hostname) at.child('hostname').matches(hostname, dns1123Subdomain);
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
