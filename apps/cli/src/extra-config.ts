import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { apiServerSchema } from '@orrery/apiserver/component';
import { settingsSchema as controllerManagerSchema } from '@orrery/controller-manager/component';
import { ingressSchema } from '@orrery/ingress/component';
import { type KubeletConfiguration, kubeletSchema, loadConfiguration } from '@orrery/kubelet/component';
import { healthAddressSchema, logLevelOf, logSchema } from '@orrery/node-io';
import { metricsServerSchema } from '@orrery/metrics-server/component';
import { type ConfigOf, type ConfigSchema, type LogLevel, parseFlags, resolveConfig } from '@orrery/runtime';
import { schedulerSchema } from '@orrery/scheduler/component';
import { storeSchema } from '@orrery/store/component';

/** Components whose own flags can be given to `orrery up`, in every layout. */
const schemas: Readonly<Record<string, ConfigSchema>> = {
  apiserver: apiServerSchema,
  'controller-manager': controllerManagerSchema,
  ingress: { ...ingressSchema, ...healthAddressSchema },
  kubelet: { ...kubeletSchema, config: { type: 'string', default: '', help: 'KubeletConfiguration file' } },
  'metrics-server': metricsServerSchema,
  scheduler: schedulerSchema,
  store: storeSchema,
};

/** Paths of files: components that are processes of their own may have another directory. */
const files: ReadonlySet<string> = new Set(['kubelet.config', 'ingress.default-cert', 'ingress.default-key']);

/** Flags by component, as words of a command line. */
export type ExtraConfig = Readonly<Record<string, readonly string[]>>;

/** The file as all kubelets of the cluster have it. Throws an Error that names the file, and the field that is wrong. */
export function readKubeletConfiguration(path: string): KubeletConfiguration {
  try {
    return loadConfiguration(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`kubelet.config ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Takes `apiserver.audit-log-path=/tmp/audit.log` into what was given before. Throws an Error that says what is wrong. */
export function addExtraConfig(text: string, before: ExtraConfig): ExtraConfig {
  const [, component = '', flag = '', value = ''] = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(text) ?? [];
  if (!flag) throw new Error(`${JSON.stringify(text)} is not COMPONENT.FLAG=VALUE, such as apiserver.audit-log-path=/tmp/audit.log.`);
  if (!schemas[component]) throw new Error(`${component} takes no extra configuration; known: ${Object.keys(schemas).join(', ')}.`);
  const name = flag.replace(/^--/, '');
  const given = value && files.has(`${component}.${name}`) ? resolve(value) : value;
  // Kubelets that are processes of their own would be started again and again with a file they refuse.
  if (component === 'kubelet' && name === 'config') readKubeletConfiguration(given);
  const word = `--${name}=${given}`;
  resolved(component, { [component]: [word] });
  return { ...before, [component]: [...(before[component] ?? []), word] };
}

function resolved(component: string, extra: ExtraConfig): { given: Readonly<Record<string, unknown>>; all: ConfigOf<typeof logSchema> & Readonly<Record<string, unknown>> } {
  const schema = { ...schemas[component], ...logSchema };
  const given = parseFlags(schema, extra[component] ?? []);
  return { given, all: resolveConfig(schema, [given]) };
}

/** As settings of a component that runs in this process; only those that were given. How much it logs is none of them: see `logLevelFor`. */
export function extraSettings(component: string, extra: ExtraConfig): Record<string, unknown> {
  const { given, all } = resolved(component, extra);
  return Object.fromEntries(Object.keys(given).filter((key) => !(key in logSchema)).map((key) => [key, all[key]]));
}

/** How much a component that runs in this process logs. Throws ConfigError for what is no level. */
export const logLevelFor = (component: string, extra: ExtraConfig): LogLevel => logLevelOf(resolved(component, extra).all);

/** Pods have addresses of both families, so their nodes are to have them, too. */
export function isDualStack(extra: ExtraConfig): boolean {
  const { clusterCidr = '' } = extraSettings('controller-manager', extra) as { clusterCidr?: string };
  const families = clusterCidr.split(',').map((range) => range.includes(':'));
  return families.includes(true) && families.includes(false);
}

/** Addresses of a node, the one of the family of the first range of pods first. */
export function primaryFirst(ips: readonly string[], extra: ExtraConfig): string[] {
  const { clusterCidr = '' } = extraSettings('controller-manager', extra) as { clusterCidr?: string };
  const isIpv6 = (clusterCidr.split(',')[0] ?? '').includes(':');
  return [...ips].sort((a, b) => Number(a.includes(':') !== isIpv6) - Number(b.includes(':') !== isIpv6));
}

/** As `--extra-config` arguments again. */
export function extraArguments(extra: ExtraConfig): string[] {
  return Object.entries(extra).flatMap(([component, words]) => words.flatMap((word) => ['--extra-config', `${component}.${word.slice(2)}`]));
}
