import { type KubeletConfiguration, settingsOf } from '@orrery/kubelet/component';
import type { ConfigSchema } from '@orrery/runtime';
import { type ExtraConfig, extraSettings, readKubeletConfiguration } from '../extra-config.ts';

/** What `--extra-config` says to the kubelets of one process. */
export interface KubeletExtra {
  /** The file of `kubelet.config`, if there is one. */
  readonly configuration: KubeletConfiguration | undefined;
  /** Settings of `schema` that the file has; what the cluster itself says of a node, and flags, come before them. */
  fromFile(schema: ConfigSchema): Record<string, unknown>;
  /** Flags that were given, as settings. */
  readonly flags: Record<string, unknown>;
}

/** Throws an Error that names the file when it has become one that kubelets refuse. */
export function kubeletExtra(extra: ExtraConfig): KubeletExtra {
  const { config, ...flags } = extraSettings('kubelet', extra);
  const configuration = typeof config === 'string' ? readKubeletConfiguration(config) : undefined;
  const settings = Object.entries(configuration ? settingsOf(configuration) : {});
  return { configuration, flags, fromFile: (schema) => Object.fromEntries(settings.filter(([key]) => key in schema)) };
}
