import { KVDefinition, MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient } from '@orrery/rpc';

/** First patch release of each minor whose progress answers never overtake the events before them (etcd issue 15220). */
const mended: Readonly<Record<string, number>> = { '3.4': 25, '3.5': 8 };

export function tellsProgressInOrder(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  if (major !== 3 || minor >= 6) return major >= 3;
  return patch >= (mended[`${major}.${minor}`] ?? Number.POSITIVE_INFINITY);
}

/**
 * How to learn how far a watch is, when no event tells: `ask` the store on the watch itself, or, where older etcds answer
 * with revisions whose events are still on their way, write a key of our own, whose event can only come after them.
 */
export async function progressSource(channel: Channel, key: string): Promise<{ readonly tick: (() => Promise<void>) | undefined }> {
  const { version = '' } = await createClient(MaintenanceDefinition, channel).status({});
  if (tellsProgressInOrder(version)) return { tick: undefined };
  const kv = createClient(KVDefinition, channel);
  return { tick: async () => void (await kv.put({ key: Buffer.from(key), value: Buffer.alloc(0) })) };
}
