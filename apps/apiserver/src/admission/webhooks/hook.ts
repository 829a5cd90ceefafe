import { MutatingWebhookConfigurations, ValidatingWebhookConfigurations } from '@orrery/api';
import type { MutatingWebhook, ValidatingWebhook } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
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

/** In the order in which they are called: by the configuration's name, then as listed. Put together again after each change. */
function followed(read: ObjectReader, ref: ResourceRef<KubeObject>): () => readonly Hook[] {
  let known: readonly Hook[] | undefined;
  read.onChange(ref, () => void (known = undefined));
  return () => (known ??= hooksOf(read.list(ref) as readonly Configuration[]));
}

export const mutatingHooks = (read: ObjectReader): (() => readonly Hook[]) => followed(read, MutatingWebhookConfigurations);
export const validatingHooks = (read: ObjectReader): (() => readonly Hook[]) => followed(read, ValidatingWebhookConfigurations);
