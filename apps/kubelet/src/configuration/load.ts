import { DecodeError, decodeYaml, parseYaml } from '@orrery/api';
import type { Schema } from '@orrery/apimachinery';
import { ConfigError, parseGoDuration } from '@orrery/runtime';
import { withDefaults } from './defaults.ts';
import { configurationSchema } from './schema.ts';
import type { KubeletConfiguration } from './types.ts';
import { validateConfiguration } from './validation.ts';

const kind = 'KubeletConfiguration';
const apiVersion = 'kubelet.config.k8s.io/v1beta1';

/** The decoder takes any text for a duration. Throws what Go says of one that is none. */
function checkDurations(value: unknown, schema: Schema): void {
  if (schema.type === 'duration' && typeof value === 'string') parseGoDuration(value);
  if (schema.type !== 'object' || typeof value !== 'object' || value === null) return;
  for (const [key, { schema: of }] of schema.fields) checkDurations((value as Record<string, unknown>)[key], of);
}

/** Reads KubeletConfiguration from YAML or JSON, strictly, with its defaults. Throws ConfigError with upstream's words for what is wrong. */
export function loadConfiguration(text: string): KubeletConfiguration {
  let raw: KubeletConfiguration;
  try {
    const meta = (parseYaml(text).value ?? {}) as { readonly apiVersion?: unknown; readonly kind?: unknown };
    if (typeof meta !== 'object' || !meta.kind) throw new ConfigError(`Object 'Kind' is missing in '${text.trim()}'`);
    if (meta.kind !== kind || meta.apiVersion !== apiVersion) throw new ConfigError(`no kind ${JSON.stringify(meta.kind)} is registered for version ${JSON.stringify(meta.apiVersion ?? '')} in scheme "pkg/kubelet/apis/config/scheme/scheme.go"`);
    raw = decodeYaml(text, configurationSchema, 'Strict').object as KubeletConfiguration;
    checkDurations(raw, configurationSchema);
  } catch (error) {
    if (error instanceof DecodeError || (error as Error).message.startsWith('time: ')) throw new ConfigError((error as Error).message);
    throw error;
  }
  const configuration = withDefaults({ ...raw, kind, apiVersion });
  const problems = validateConfiguration(configuration);
  if (problems.length) throw new ConfigError(`failed to validate kubelet configuration, error: ${problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`}`);
  return configuration;
}
