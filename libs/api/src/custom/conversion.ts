import { StatusError } from '@orrery/errors';
import type { CustomResourceDefinition, WebhookClientConfig } from '../../gen/types.ts';
import type { KindDescriptor } from '../kind.ts';
import { type Codecs, type Custom, type VersionCodec, prune, readStored } from './version-codec.ts';
import { conversionBody, convertedObjects } from './conversion-review.ts';

/** Asks the conversion webhooks of definitions. */
export interface ConversionWebhook {
  /** Posts a ConversionReview and brings back the answer's JSON. Rejects with an error whose message tells what went wrong. */
  ask(call: { readonly definition: string; readonly config: WebhookClientConfig; readonly body: unknown }): Promise<unknown>;
  /** A fresh uid for a review. */
  uid(): string;
}

const failure = (message: string): StatusError => new StatusError({ code: 500, message });

/** An object of one version as one of another: of the same content, without what the other does not know. */
const renamed = (object: Custom, to: VersionCodec): Custom => prune({ ...object, apiVersion: to.apiVersion }, to);

/** Converts objects of the version `from`, all in one call. */
type Convert = (objects: readonly Custom[], versions: { readonly from: string; readonly to: VersionCodec }) => Promise<Custom[]>;

function webhookConverter(definition: CustomResourceDefinition, webhook: ConversionWebhook | undefined): Convert | undefined {
  const settings = definition.spec?.conversion?.strategy === 'Webhook' ? definition.spec.conversion.webhook : undefined;
  const config = settings?.clientConfig;
  if (!webhook || !settings || !config) return undefined;
  const name = definition.metadata?.name ?? '';
  return async (objects, { from, to }) => {
    const about = `conversion webhook for ${from}, Kind=${definition.spec?.names?.kind ?? ''}`;
    const uid = webhook.uid();
    const body = conversionBody({ reviewVersions: settings.conversionReviewVersions ?? [], uid, desiredAPIVersion: to.apiVersion, objects });
    if (!body) throw failure('no supported conversion review versions');
    let reply: unknown;
    try {
      reply = await webhook.ask({ definition: name, config, body });
    } catch (error) {
      throw failure(`${about} failed: ${(error as Error).message}`);
    }
    return convertedObjects(reply, { about, body, objects }).map((object) => prune(object, to));
  };
}

/** Objects of one version are one call; the answers come in the order of the objects. */
async function fromStorage(stored: readonly Custom[], target: VersionCodec, { codecs, convert }: { codecs: Codecs; convert: Convert }): Promise<Custom[]> {
  const groups = new Map<string, { object: Custom; at: number }[]>();
  for (const [at, one] of stored.entries()) {
    const { object } = readStored(one, codecs, target);
    const from = String(one['apiVersion']);
    const group = groups.get(from);
    if (group) group.push({ object, at });
    else groups.set(from, [{ object, at }]);
  }
  const found: Custom[] = [];
  for (const [from, group] of groups) {
    const objects = group.map(({ object }) => object);
    const made = from === target.apiVersion ? objects : await convert(objects, { from, to: target });
    for (const [i, { at }] of group.entries()) found[at] = made[i] as Custom;
  }
  return found;
}

/**
 * How a version of a definition is stored. Read: pruned and filled in at the version it was stored at, then converted, then
 * pruned by the version asked for. Written: converted to the storage version and pruned. With a webhook, objects at another
 * version pass through `conversion`; `fromStorage` and `toStorage` are for the rest, and refuse them.
 */
export function storageOf(definition: CustomResourceDefinition, version: VersionCodec, context: { codecs: Codecs; webhook?: ConversionWebhook | undefined }): NonNullable<KindDescriptor<Custom>['storedAs']> {
  const { codecs, webhook } = context;
  const group = definition.spec?.group ?? '';
  const storageName = definition.spec?.versions?.find(({ storage }) => storage)?.name ?? version.version;
  const storage = codecs.get(`${group}/${storageName}`) ?? version;
  const convert = webhookConverter(definition, webhook);
  const sync = (object: Custom, to: VersionCodec): Custom => {
    if (convert) throw failure(`conversion webhook for ${String(object['apiVersion'])}, Kind=${definition.spec?.names?.kind ?? ''} has not been asked yet`);
    return renamed(object, to);
  };
  return {
    group,
    version: storageName,
    toStorage: (object) => (storage === version ? object : sync(object, storage)),
    fromStorage: (stored: Custom) => {
      const { object, codec } = readStored(stored, codecs, version);
      return codec === version ? object : sync(object, version);
    },
    ...(convert
      ? {
          conversion: {
            needed: (stored: Custom) => stored['apiVersion'] !== version.apiVersion,
            fromStorage: (stored: readonly Custom[]) => fromStorage(stored, version, { codecs, convert }),
            toStorage: async (object: Custom) => (storage === version ? object : ((await convert([object], { from: version.apiVersion, to: storage }))[0] as Custom)),
          },
        }
      : {}),
  };
}
