import { MutatingWebhookConfigurations, ValidatingWebhookConfigurations } from '@orrery/api';
import type { MutatingWebhook, ValidatingWebhook } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import type { ObjectReader } from '../../pipeline/index.ts';

/** One webhook of one configuration. */
export interface Hook {
  readonly configuration: string;
  /** Tells webhooks apart, also those of one name. */
  readonly id: string;
  readonly webhook: ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
}

interface Configuration extends KubeObject {
  readonly webhooks?: readonly Hook['webhook'][];
}

function hooksOf(configurations: readonly Configuration[]): Hook[] {
  const name = (one: Configuration): string => one.metadata?.name ?? '';
  const sorted = [...configurations].sort((a, b) => (name(a) < name(b) ? -1 : 1));
  return sorted.flatMap((one) => (one.webhooks ?? []).map((webhook, i) => ({ configuration: name(one), id: `${name(one)}/${webhook.name}/${i}`, webhook })));
}

/** In the order in which they are called: by the configuration's name, then as listed. */
export const mutatingHooks = (read: ObjectReader): Hook[] => hooksOf(read.list(MutatingWebhookConfigurations) as readonly Configuration[]);
export const validatingHooks = (read: ObjectReader): Hook[] => hooksOf(read.list(ValidatingWebhookConfigurations) as readonly Configuration[]);
