import type { APIService, APIServiceCondition, ApiregistrationV1ServiceReference } from '@orrery/api/types';

/** An APIService that another server stands behind. */
export interface RemoteService {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  /** PEM; empty: the machine's own authorities. */
  readonly ca: string;
  readonly insecure: boolean;
  readonly isAvailable: boolean;
}

export const apiServiceName = (group: string, version: string): string => `${version}.${group}`;

export function availability({ status }: APIService): APIServiceCondition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Available');
}

const place = ({ namespace = '', name = '', port = 443 }: ApiregistrationV1ServiceReference): RemoteService['service'] => ({ namespace, name, port });

/** Undefined: the group version is served here. */
export function remoteService(object: APIService): RemoteService | undefined {
  const { metadata, spec } = object;
  if (!spec?.service) return undefined;
  return {
    name: metadata?.name ?? '',
    group: spec.group ?? '',
    version: spec.version ?? '',
    groupPriority: spec.groupPriorityMinimum ?? 0,
    versionPriority: spec.versionPriority ?? 0,
    service: place(spec.service),
    ca: spec.caBundle ? Buffer.from(spec.caBundle, 'base64').toString('utf8') : '',
    insecure: spec.insecureSkipTLSVerify ?? false,
    isAvailable: availability(object)?.status === 'True',
  };
}

/** The URL path that every server of a group version must answer. */
export const rootPath = ({ group, version }: Pick<RemoteService, 'group' | 'version'>): string => (group ? `/apis/${group}/${version}` : `/api/${version}`);
